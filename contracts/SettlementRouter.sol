// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementRouter} from "./interfaces/ISettlementRouter.sol";
import {BatchFormat} from "./libraries/BatchFormat.sol";

/// @title SettlementRouter
/// @notice See {ISettlementRouter}.
contract SettlementRouter is ISettlementRouter {
    // --- Constants ---

    /// @dev Most bytes of an item's revert data that are copied and logged, so that a long one (a "return bomb") costs
    /// its payer's allowance and not the batch. Circle's longest reason takes 132 bytes.
    uint256 internal constant MAX_REASON_BYTES = 256;

    /// @dev Gas that must be left beside an item's allowance before the item starts. It pays for building the call (a
    /// wide one of 8 KiB included), for the failure event and for the event and the bitmap at the end of the largest
    /// batch. Measured worst case: see the test "keeps its reserve".
    uint256 internal constant RESERVE_GAS = 20_000;

    /// @dev transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)
    uint256 internal constant TRANSFER_VRS = 0xe3ee160e;

    /// @dev transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)
    uint256 internal constant TRANSFER_BYTES = 0xcf092995;

    // --- Settling ---

    /// @inheritdoc ISettlementRouter
    function settle(
        address token,
        bytes32 batchId,
        uint256 gasAllowance,
        bytes calldata batch
    ) external returns (uint256 attempted, bytes memory failures) {
        if (token.code.length == 0) revert TokenWithoutCode(token);

        (uint256 payeeCount, uint256 itemCount) = _readHeader(batch);
        // Calldata positions, all absolute: `items` is the item to come.
        uint256 payees = _start(batch) + BatchFormat.HEADER_BYTES;
        uint256 item = payees + payeeCount * BatchFormat.PAYEE_BYTES;
        uint256 end = _start(batch) + batch.length;

        failures = new bytes((itemCount + 7) / 8);
        uint256 compactFloor = _gasFloor(gasAllowance);
        uint256 failed;

        // Every sum and product below is of numbers under 2^32 and of calldata positions, which gas bounds.
        unchecked {
            for (; attempted < itemCount; ++attempted) {
                uint256 head = _load(item) >> 240;
                uint256 payee = head & BatchFormat.PAYEE_MASK;
                uint256 next = item + BatchFormat.COMPACT_BYTES;
                bool success;

                if (head & (BatchFormat.WIDE_BIT | BatchFormat.RESERVED_BITS) == 0) {
                    if (next > end) revert TruncatedBatch(next - _start(batch), batch.length);
                    if (payee >= payeeCount) revert PayeeOutOfRange(attempted, payee, payeeCount);
                    if (gasleft() < compactFloor) break;
                    success = _callCompact(token, gasAllowance, item, payees + payee * BatchFormat.PAYEE_BYTES);
                } else {
                    next = _checkWide(batch, attempted, item);
                    if (payee >= payeeCount) revert PayeeOutOfRange(attempted, payee, payeeCount);
                    uint256 allowance = (_load(item + 2)) >> 224;
                    if (gasleft() < _gasFloor(allowance)) break;
                    success = _callWide(token, allowance, item, payees + payee * BatchFormat.PAYEE_BYTES);
                }

                if (!success) {
                    ++failed;
                    _setBit(failures, attempted);
                    bool wide = head & BatchFormat.WIDE_BIT != 0;
                    _emitFailure(attempted, _load(item + (wide ? 6 : 2)) >> 96, _load(item + (wide ? 122 : 38)));
                }
                item = next;
            }

            if (attempted == itemCount) {
                if (item != end) revert TrailingBytes(item - _start(batch), batch.length);
            } else {
                _truncate(failures, (attempted + 7) / 8);
            }
        }

        emit BatchSettled(msg.sender, batchId, attempted, failed);
    }

    // --- Reading the batch ---

    /// @dev Checks the header and that the table of payees is there.
    function _readHeader(bytes calldata batch) private pure returns (uint256 payeeCount, uint256 itemCount) {
        if (batch.length < BatchFormat.HEADER_BYTES) revert TruncatedBatch(BatchFormat.HEADER_BYTES, batch.length);
        uint256 header = _load(_start(batch));
        uint256 version = header >> 248;
        if (version != BatchFormat.VERSION) revert UnsupportedVersion(version, BatchFormat.VERSION);

        payeeCount = (header >> 232) & 0xffff;
        itemCount = (header >> 216) & 0xffff;
        if (itemCount == 0) revert EmptyBatch();
        uint256 needed = BatchFormat.HEADER_BYTES + payeeCount * BatchFormat.PAYEE_BYTES;
        if (batch.length < needed) revert TruncatedBatch(needed, batch.length);
    }

    /// @dev Checks the shape of the wide item at calldata position `item` and returns the position after it.
    function _checkWide(bytes calldata batch, uint256 index, uint256 item) private pure returns (uint256 next) {
        uint256 end = _start(batch) + batch.length;
        next = item + BatchFormat.WIDE_BYTES;
        // A head that lies beyond the end is no head: length first.
        if (item + 2 > end) revert TruncatedBatch(item + 2 - _start(batch), batch.length);
        uint256 head = _load(item) >> 240;
        if (head & BatchFormat.RESERVED_BITS != 0) revert ReservedBitSet(index, head);
        if (next > end) revert TruncatedBatch(next - _start(batch), batch.length);

        uint256 length = _load(item + 154) >> 240;
        if (head & BatchFormat.SIGNATURE_BIT != 0) {
            if (length != BatchFormat.ECDSA_SIGNATURE_BYTES) {
                revert InvalidSignatureLength(index, length, BatchFormat.ECDSA_SIGNATURE_BYTES);
            }
        } else if (length > BatchFormat.MAX_SIGNATURE_BYTES) {
            revert InvalidSignatureLength(index, length, BatchFormat.MAX_SIGNATURE_BYTES);
        }
        next += length;
        if (next > end) revert TruncatedBatch(next - _start(batch), batch.length);
    }

    function _start(bytes calldata batch) private pure returns (uint256 position) {
        assembly ("memory-safe") {
            position := batch.offset
        }
    }

    function _load(uint256 position) private pure returns (uint256 word) {
        assembly ("memory-safe") {
            word := calldataload(position)
        }
    }

    // --- Calling the token ---

    /// @dev Gas to have left before an item with this allowance starts. A call forwards at most g − ⌊g / 64⌋ of the gas
    /// g that is left (EIP-150), and g ≥ allowance + ⌊allowance / 63⌋ + 1 makes that at least the allowance. An absurd
    /// allowance overflows here and reverts.
    function _gasFloor(uint256 allowance) private pure returns (uint256) {
        return allowance + allowance / 63 + 1 + RESERVE_GAS;
    }

    /// @dev Calls the (v, r, s) overload for the compact item at calldata position `item`. The call's data is built
    /// behind the free memory pointer, which does not move:
    ///
    ///   00 selector | 04 from | 24 to | 44 value | 64 validAfter | 84 validBefore | a4 nonce | c4 v | e4 r | 104 s | 124
    function _callCompact(
        address token,
        uint256 allowance,
        uint256 item,
        uint256 payee
    ) private returns (bool success) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            mstore(data, shl(224, TRANSFER_VRS))
            mstore(add(data, 0x04), shr(96, calldataload(add(item, 2))))
            mstore(add(data, 0x24), shr(96, calldataload(payee)))
            // One word holds value, validAfter and validBefore: 8 + 4 + 4 bytes and the nonce's first 16.
            let terms := calldataload(add(item, 22))
            mstore(add(data, 0x44), shr(192, terms))
            mstore(add(data, 0x64), and(shr(160, terms), 0xffffffff))
            mstore(add(data, 0x84), and(shr(128, terms), 0xffffffff))
            mstore(add(data, 0xc4), add(27, and(shr(254, calldataload(item)), 1)))
            calldatacopy(add(data, 0xa4), add(item, 38), 0x20)
            calldatacopy(add(data, 0xe4), add(item, 70), 0x40)
            success := call(allowance, token, 0, data, 0x124, 0, 0)
        }
    }

    /// @dev Calls the overload that the wide item at calldata position `item` asks for. Memory as above, with either
    /// v | r | s or the signature's offset (e0), its length and its bytes padded to words from c4 on.
    function _callWide(address token, uint256 allowance, uint256 item, uint256 payee) private returns (bool success) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            let size := 0x124
            let ecdsa := and(shr(254, calldataload(item)), 1)
            switch ecdsa
            case 1 {
                mstore(data, shl(224, TRANSFER_VRS))
            }
            default {
                mstore(data, shl(224, TRANSFER_BYTES))
            }
            mstore(add(data, 0x04), shr(96, calldataload(add(item, 6))))
            mstore(add(data, 0x24), shr(96, calldataload(payee)))
            // value, validAfter, validBefore and nonce are whole words in the order of the arguments.
            calldatacopy(add(data, 0x44), add(item, 26), 0x80)

            switch ecdsa
            case 1 {
                mstore(add(data, 0xc4), shr(248, calldataload(add(item, 220))))
                calldatacopy(add(data, 0xe4), add(item, 156), 0x40)
            }
            default {
                let length := shr(240, calldataload(add(item, 154)))
                let padded := and(add(length, 0x1f), not(0x1f))
                mstore(add(data, 0xc4), 0xe0)
                // Zero the last word before the copy: memory behind the free pointer may hold an earlier item.
                mstore(add(add(data, 0xe4), padded), 0)
                mstore(add(data, 0xe4), length)
                calldatacopy(add(data, 0x104), add(item, 156), length)
                size := add(0x104, padded)
            }
            success := call(allowance, token, 0, data, size, 0, 0)
        }
    }

    // --- Reporting ---

    /// @dev Emits AuthorizationFailed with a bounded copy of the last call's revert data. In assembly because Solidity
    /// would copy all of it, and into new memory each time. Log data, behind the free memory pointer:
    ///
    ///   00 index | 20 offset (40) | 40 length | 60 reason, padded with zeros
    function _emitFailure(uint256 index, uint256 payer, uint256 nonce) private {
        bytes32 topic = AuthorizationFailed.selector;
        assembly ("memory-safe") {
            let data := mload(0x40)
            let length := returndatasize()
            if gt(length, MAX_REASON_BYTES) {
                length := MAX_REASON_BYTES
            }
            let padded := and(add(length, 0x1f), not(0x1f))
            mstore(data, index)
            mstore(add(data, 0x20), 0x40)
            mstore(add(data, add(0x40, padded)), 0)
            mstore(add(data, 0x40), length)
            returndatacopy(add(data, 0x60), 0, length)
            log3(data, add(0x60, padded), topic, payer, nonce)
        }
    }

    function _setBit(bytes memory bitmap, uint256 index) private pure {
        // A byte with one bit set fits a bytes1.
        bitmap[index >> 3] |= bytes1(uint8(1 << (index & 7)));
    }

    /// @dev Shortens `bitmap`. `length` must not be above its length.
    function _truncate(bytes memory bitmap, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(bitmap, length)
        }
    }
}

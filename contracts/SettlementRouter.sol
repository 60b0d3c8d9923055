// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementRouter} from "./interfaces/ISettlementRouter.sol";
import {BatchFormat} from "./libraries/BatchFormat.sol";

/// @title SettlementRouter
/// @notice See {ISettlementRouter}.
contract SettlementRouter is ISettlementRouter {
    // --- Constants ---

    /// @dev The most revert data of an item that is copied and logged. Longer data (a "return bomb") costs its item's
    /// allowance and not the batch. Circle's longest reason takes 132 bytes.
    uint256 internal constant MAX_REASON_BYTES = 256;

    /// @dev Gas that must be left beside an item's allowance before the item starts. It pays for building the call (a
    /// wide one of 8 KiB included), for the failure event and for the event and the bitmap at the end of the largest
    /// batch: 11,000 at most, as measured in SettlementRouterReserve.t.sol. The rest is a margin for future gas
    /// schedules, since this contract cannot be changed. Unused gas is not paid.
    uint256 internal constant RESERVE_GAS = 20_000;

    /// @dev transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)
    uint256 internal constant TRANSFER_VRS = 0xe3ee160e;

    /// @dev transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)
    uint256 internal constant TRANSFER_BYTES = 0xcf092995;

    /// @dev Where the data of compact calls lies in memory: the first free byte, allocated by `_allocateCompactCall`. A
    /// constant, because an offset on the stack would cost each item some 50 gas in additions.
    uint256 internal constant COMPACT_CALL = 0x80;

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
        _allocateCompactCall();
        failures = new bytes((itemCount + 7) / 8);
        uint256 compactFloor = _gasFloor(gasAllowance);
        uint256 failed;

        // Every sum and product below is of numbers under 2^32 and of calldata positions, which gas bounds.
        unchecked {
            // Absolute calldata positions. `item` is the next item; `lastPayee` and `lastCompact` are the last
            // positions at which one still fits.
            uint256 payees = _start(batch) + BatchFormat.HEADER_BYTES;
            uint256 item = payees + payeeCount * BatchFormat.PAYEE_BYTES;
            uint256 lastPayee = item - BatchFormat.PAYEE_BYTES;
            uint256 end = _start(batch) + batch.length;
            // If an encoder lets `batch` overlap with the arguments before it, it can end below position 134.
            uint256 lastCompact = end < BatchFormat.COMPACT_BYTES ? 0 : end - BatchFormat.COMPACT_BYTES;

            while (true) {
                bool refused;
                uint256 next;
                (attempted, item, refused) = _settlePlain(
                    token,
                    gasAllowance,
                    payees,
                    lastPayee,
                    lastCompact,
                    compactFloor,
                    itemCount,
                    attempted,
                    item
                );
                if (refused) {
                    next = item + BatchFormat.COMPACT_BYTES;
                } else {
                    if (attempted == itemCount) break;
                    (next, refused) = _settleOther(batch, token, attempted, item);
                    if (next == 0) break;
                }
                if (refused) {
                    ++failed;
                    _setBit(failures, attempted);
                    bool wide = _head(item) & BatchFormat.WIDE_BIT != 0;
                    _emitFailure(attempted, _load(item + (wide ? 6 : 2)) >> 96, _load(item + (wide ? 122 : 38)));
                }
                item = next;
                ++attempted;
            }

            if (attempted == itemCount) {
                if (item != end) revert TrailingBytes(item - _start(batch), batch.length);
            } else {
                _truncate(failures, (attempted + 7) / 8);
            }
        }

        emit BatchSettled(msg.sender, batchId, attempted, failed);
    }

    /// @dev Settles compact items, starting with the one at `item` (number `index`), and stops at the first item that
    /// the token refuses or that is not plain: past the end, wide, malformed, or short of gas. Returns that item's
    /// number and position.
    ///
    /// One branch decides whether an item is plain; `_settleOther` finds out why it is not. The memory of the call:
    ///
    ///   00 selector | 04 from | 24 to | 44 value | 64 validAfter | 84 validBefore | a4 nonce | c4 v | e4 r | 104 s |
    /// 124
    ///
    /// A field shorter than a word is copied to the word's end; the rest of the word stays zero from item to item.
    function _settlePlain(
        address token,
        uint256 allowance,
        uint256 payees,
        uint256 lastPayee,
        uint256 lastCompact,
        uint256 floor,
        uint256 itemCount,
        uint256 index,
        uint256 item
    ) private returns (uint256, uint256, bool refused) {
        uint256 flags = BatchFormat.WIDE_BIT | BatchFormat.RESERVED_BITS;
        // More than a shortcut: the compiler inlines no function with an early return, so the loop has the stack to
        // itself.
        if (_head(item) & flags != 0) return (index, item, false);

        uint256 mask = BatchFormat.PAYEE_MASK;
        uint256 payeeBytes = BatchFormat.PAYEE_BYTES;
        uint256 compactBytes = BatchFormat.COMPACT_BYTES;
        assembly ("memory-safe") {
            for {} 1 {} {
                let head := shr(240, calldataload(item))
                let payee := add(payees, mul(and(head, mask), payeeBytes))
                let misplaced := or(gt(item, lastCompact), gt(payee, lastPayee))
                let over := or(eq(index, itemCount), lt(gas(), floor))
                if or(or(misplaced, over), and(head, flags)) {
                    break
                }

                calldatacopy(add(COMPACT_CALL, 0x10), add(item, 2), 20)
                calldatacopy(add(COMPACT_CALL, 0x30), payee, 20)
                calldatacopy(add(COMPACT_CALL, 0x5c), add(item, 22), 8)
                calldatacopy(add(COMPACT_CALL, 0x80), add(item, 30), 4)
                calldatacopy(add(COMPACT_CALL, 0xa0), add(item, 34), 4)
                mstore(add(COMPACT_CALL, 0xa4), calldataload(add(item, 38)))
                // The head of a plain item has no bit set above bit 14.
                mstore(add(COMPACT_CALL, 0xc4), add(27, shr(14, head)))
                calldatacopy(add(COMPACT_CALL, 0xe4), add(item, 70), 64)
                if iszero(call(allowance, token, 0, COMPACT_CALL, 0x124, 0, 0)) {
                    refused := 1
                    break
                }
                item := add(item, compactBytes)
                index := add(index, 1)
            }
        }
        return (index, item, refused);
    }

    /// @dev Settles the item at calldata position `item` if it is wide. Reverts if it is malformed; returns 0 as `next`
    /// if there is not enough gas.
    function _settleOther(
        bytes calldata batch,
        address token,
        uint256 index,
        uint256 item
    ) private returns (uint256 next, bool refused) {
        next = _checkItem(batch, index, item);
        uint256 head = _head(item);
        // A compact item that is well formed was stopped by the gas.
        if (head & BatchFormat.WIDE_BIT == 0) return (0, false);

        // Positions and 32-bit numbers.
        unchecked {
            uint256 allowance = _load(item + 2) >> 224;
            if (gasleft() < _gasFloor(allowance)) return (0, false);
            uint256 payee = (head & BatchFormat.PAYEE_MASK) * BatchFormat.PAYEE_BYTES;
            refused = !_callWide(token, allowance, item, _start(batch) + BatchFormat.HEADER_BYTES + payee);
        }
    }

    // --- Reading the batch ---

    /// @dev Checks the header, and that the batch is long enough for its table of payees.
    function _readHeader(bytes calldata batch) private pure returns (uint256 payeeCount, uint256 itemCount) {
        _requireLength(batch, BatchFormat.HEADER_BYTES);
        uint256 header = _load(_start(batch));
        uint256 version = header >> 248;
        if (version != BatchFormat.VERSION) revert UnsupportedVersion(version, BatchFormat.VERSION);

        payeeCount = (header >> 232) & 0xffff;
        itemCount = (header >> 216) & 0xffff;
        if (itemCount == 0) revert EmptyBatch();
        _requireLength(batch, BatchFormat.HEADER_BYTES + payeeCount * BatchFormat.PAYEE_BYTES);
    }

    /// @dev Checks the shape of the item at calldata position `item` and returns the position after it.
    function _checkItem(bytes calldata batch, uint256 index, uint256 item) private pure returns (uint256 next) {
        // Positions and 16-bit numbers. No item starts before the batch.
        unchecked {
            // Length first: bytes beyond the end of the batch are not a head.
            _requireLength(batch, item + BatchFormat.HEAD_BYTES - _start(batch));
            uint256 head = _head(item);
            if (head & BatchFormat.RESERVED_BITS != 0) revert ReservedBitSet(index, head);

            bool wide = head & BatchFormat.WIDE_BIT != 0;
            next = item + (wide ? BatchFormat.WIDE_BYTES : BatchFormat.COMPACT_BYTES);
            _requireLength(batch, next - _start(batch));
            if (wide) {
                uint256 length = _load(item + 154) >> 240;
                bool ecdsa = head & BatchFormat.SIGNATURE_BIT != 0;
                uint256 allowed = ecdsa ? BatchFormat.ECDSA_SIGNATURE_BYTES : BatchFormat.MAX_SIGNATURE_BYTES;
                if (ecdsa ? length != allowed : length > allowed) revert InvalidSignatureLength(index, length, allowed);
                next += length;
                _requireLength(batch, next - _start(batch));
            }

            uint256 payee = head & BatchFormat.PAYEE_MASK;
            uint256 payeeCount = (_load(_start(batch)) >> 232) & 0xffff;
            if (payee >= payeeCount) revert PayeeOutOfRange(index, payee, payeeCount);
        }
    }

    function _requireLength(bytes calldata batch, uint256 needed) private pure {
        if (batch.length < needed) revert TruncatedBatch(needed, batch.length);
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

    function _head(uint256 item) private pure returns (uint256) {
        return _load(item) >> 240;
    }

    // --- Calling the token ---

    /// @dev The gas that must be left before an item with this allowance starts. A call forwards at most g − ⌊g / 64⌋
    /// of the gas g that is left (EIP-150), which is at least the allowance if g ≥ allowance + ⌊allowance / 63⌋ + 1. A
    /// huge allowance overflows here and reverts.
    function _gasFloor(uint256 allowance) private pure returns (uint256) {
        return allowance + allowance / 63 + 1 + RESERVE_GAS;
    }

    /// @dev Allocates the memory for the data of compact calls: the selector, then zeros. It must be the first
    /// allocation; the assertion also catches a compiler that reserves memory before it.
    function _allocateCompactCall() private pure {
        uint256 free;
        assembly ("memory-safe") {
            free := mload(0x40)
        }
        assert(free == COMPACT_CALL);
        assembly ("memory-safe") {
            mstore(0x40, add(COMPACT_CALL, 0x140))
            calldatacopy(COMPACT_CALL, calldatasize(), 0x140)
            mstore(COMPACT_CALL, shl(224, TRANSFER_VRS))
        }
    }

    /// @dev Calls the overload that the wide item at calldata position `item` names. The call's data is built behind
    /// the free memory pointer, which does not move:
    ///
    ///   00 selector | 04 from | 24 to | 44 value | 64 validAfter | 84 validBefore | a4 nonce
    ///   | c4 v | e4 r | 104 s | 124
    ///   | c4 e0, the offset of: | e4 length | 104 signature, padded with zeros to whole words
    function _callWide(address token, uint256 allowance, uint256 item, uint256 payee) private returns (bool success) {
        assembly ("memory-safe") {
            let data := mload(0x40)
            let size := 0x124
            let ecdsa := and(shr(254, calldataload(item)), 1)
            let selector := TRANSFER_BYTES
            if ecdsa {
                selector := TRANSFER_VRS
            }
            mstore(data, shl(224, selector))
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
                // Zero the last word before the copy, because memory behind the free pointer may hold an earlier item.
                mstore(add(add(data, 0xe4), padded), 0)
                mstore(add(data, 0xe4), length)
                calldatacopy(add(data, 0x104), add(item, 156), length)
                size := add(0x104, padded)
            }
            success := call(allowance, token, 0, data, size, 0, 0)
        }
    }

    // --- Reporting ---

    /// @dev Emits AuthorizationFailed with a bounded copy of the last call's revert data. It is assembly because
    /// Solidity would copy all of the data, into new memory each time. Log data, behind the free memory pointer:
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
            // Zero the last word first, as in `_callWide`.
            mstore(add(data, add(0x40, padded)), 0)
            mstore(add(data, 0x40), length)
            returndatacopy(add(data, 0x60), 0, length)
            log3(data, add(0x60, padded), topic, payer, nonce)
        }
    }

    function _setBit(bytes memory bitmap, uint256 index) private pure {
        // The shift is by 7 at most, so the result fits one byte.
        bitmap[index >> 3] |= bytes1(uint8(1 << (index & 7)));
    }

    /// @dev Shortens `bitmap` to `length`, which must not exceed its present length.
    function _truncate(bytes memory bitmap, uint256 length) private pure {
        assembly ("memory-safe") {
            mstore(bitmap, length)
        }
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {ISettlementRouter} from "../../../contracts/interfaces/ISettlementRouter.sol";

/// @title ReferenceRouter
/// @notice SettlementRouter written to be read: no assembly, no shared constants, no saving of gas.
contract ReferenceRouter is ISettlementRouter {
    /// @dev One item of either form.
    struct Item {
        uint256 gasAllowance;
        address from;
        address to;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
        bool ecdsa;
        /// r ‖ s ‖ v if `ecdsa`.
        bytes signature;
    }

    /// @inheritdoc ISettlementRouter
    function settle(
        address token,
        bytes32 batchId,
        uint256 gasAllowance,
        bytes calldata batch
    ) external returns (uint256 attempted, bytes memory failures) {
        if (token.code.length == 0) revert TokenWithoutCode(token);
        _need(batch, 5);
        uint256 version = uint8(batch[0]);
        if (version != 1) revert UnsupportedVersion(version, 1);
        uint256 payeeCount = uint16(bytes2(batch[1:3]));
        uint256 itemCount = uint16(bytes2(batch[3:5]));
        if (itemCount == 0) revert EmptyBatch();
        uint256 offset = 5 + payeeCount * 20;
        _need(batch, offset);

        // A huge allowance overflows, whether an item uses it or not.
        _floor(gasAllowance);
        bool[] memory failed = new bool[](itemCount);
        uint256 failedCount;
        for (; attempted < itemCount; ++attempted) {
            (Item memory item, uint256 next) = _read(batch, attempted, offset, gasAllowance);
            if (gasleft() < _floor(item.gasAllowance)) break;
            (bool success, bytes memory reason) = token.call{gas: item.gasAllowance}(_callData(item));
            if (!success) {
                failed[attempted] = true;
                ++failedCount;
                emit AuthorizationFailed(attempted, item.from, item.nonce, _cut(reason, 256));
            }
            offset = next;
        }
        if (attempted == itemCount && offset != batch.length) revert TrailingBytes(offset, batch.length);

        failures = new bytes((attempted + 7) / 8);
        for (uint256 i; i < attempted; ++i) {
            if (failed[i]) failures[i / 8] = bytes1(uint8(failures[i / 8]) + uint8(2 ** (i % 8)));
        }
        emit BatchSettled(msg.sender, batchId, attempted, failedCount);
    }

    function _read(
        bytes calldata batch,
        uint256 index,
        uint256 offset,
        uint256 gasAllowance
    ) private pure returns (Item memory item, uint256 next) {
        _need(batch, offset + 2);
        uint256 head = uint16(bytes2(batch[offset:offset + 2]));
        if ((head / 0x1000) % 4 != 0) revert ReservedBitSet(index, head);
        bool wide = head >= 0x8000;
        item.ecdsa = !wide || (head / 0x4000) % 2 == 1;

        if (wide) {
            _need(batch, offset + 156);
            uint256 length = uint16(bytes2(batch[offset + 154:offset + 156]));
            if (item.ecdsa && length != 65) revert InvalidSignatureLength(index, length, 65);
            if (!item.ecdsa && length > 8192) revert InvalidSignatureLength(index, length, 8192);
            next = offset + 156 + length;
            _need(batch, next);

            item.gasAllowance = uint32(bytes4(batch[offset + 2:offset + 6]));
            item.from = address(bytes20(batch[offset + 6:offset + 26]));
            item.value = uint256(bytes32(batch[offset + 26:offset + 58]));
            item.validAfter = uint256(bytes32(batch[offset + 58:offset + 90]));
            item.validBefore = uint256(bytes32(batch[offset + 90:offset + 122]));
            item.nonce = bytes32(batch[offset + 122:offset + 154]);
            item.signature = batch[offset + 156:next];
        } else {
            next = offset + 134;
            _need(batch, next);

            item.gasAllowance = gasAllowance;
            item.from = address(bytes20(batch[offset + 2:offset + 22]));
            item.value = uint64(bytes8(batch[offset + 22:offset + 30]));
            item.validAfter = uint32(bytes4(batch[offset + 30:offset + 34]));
            item.validBefore = uint32(bytes4(batch[offset + 34:offset + 38]));
            item.nonce = bytes32(batch[offset + 38:offset + 70]);
            uint8 v = head / 0x4000 == 1 ? 28 : 27;
            item.signature = bytes.concat(batch[offset + 70:offset + 134], bytes1(v));
        }

        item.to = _payee(batch, index, head % 0x1000);
    }

    function _payee(bytes calldata batch, uint256 index, uint256 payee) private pure returns (address) {
        uint256 payeeCount = uint16(bytes2(batch[1:3]));
        if (payee >= payeeCount) revert PayeeOutOfRange(index, payee, payeeCount);
        return address(bytes20(batch[5 + payee * 20:25 + payee * 20]));
    }

    function _callData(Item memory item) private pure returns (bytes memory) {
        bytes memory terms = abi.encode(item.from, item.to, item.value, item.validAfter, item.validBefore, item.nonce);
        if (item.ecdsa) {
            (bytes32 r, bytes32 s) = abi.decode(item.signature, (bytes32, bytes32));
            bytes4 vrs = bytes4(
                keccak256(
                    "transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,uint8,bytes32,bytes32)"
                )
            );
            return bytes.concat(vrs, terms, abi.encode(uint8(item.signature[64]), r, s));
        }
        bytes4 anySignature = bytes4(
            keccak256("transferWithAuthorization(address,address,uint256,uint256,uint256,bytes32,bytes)")
        );
        return
            abi.encodePacked(
                anySignature,
                abi.encode(
                    item.from,
                    item.to,
                    item.value,
                    item.validAfter,
                    item.validBefore,
                    item.nonce,
                    item.signature
                )
            );
    }

    function _floor(uint256 allowance) private pure returns (uint256) {
        return allowance + allowance / 63 + 1 + 20_000;
    }

    function _need(bytes calldata batch, uint256 length) private pure {
        if (batch.length < length) revert TruncatedBatch(length, batch.length);
    }

    function _cut(bytes memory data, uint256 most) private pure returns (bytes memory cut) {
        cut = new bytes(data.length < most ? data.length : most);
        for (uint256 i; i < cut.length; ++i) cut[i] = data[i];
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title Batches
/// @notice Encodes batches in the router's format, well formed or not.
library Batches {
    struct Terms {
        address from;
        uint16 payee;
        uint256 value;
        uint256 validAfter;
        uint256 validBefore;
        bytes32 nonce;
    }

    function header(address[] memory payees, uint256 itemCount) internal pure returns (bytes memory batch) {
        batch = abi.encodePacked(uint8(1), uint16(payees.length), uint16(itemCount));
        for (uint256 i; i < payees.length; ++i) batch = abi.encodePacked(batch, payees[i]);
    }

    function compact(Terms memory t, uint8 v, bytes32 r, bytes32 s) internal pure returns (bytes memory) {
        uint16 head = t.payee | (v == 28 ? 0x4000 : 0);
        return
            abi.encodePacked(head, t.from, uint64(t.value), uint32(t.validAfter), uint32(t.validBefore), t.nonce, r, s);
    }

    function wide(
        Terms memory t,
        bool ecdsa,
        uint32 gasAllowance,
        bytes memory signature
    ) internal pure returns (bytes memory) {
        uint16 head = t.payee | 0x8000 | (ecdsa ? 0x4000 : 0);
        return
            abi.encodePacked(
                head,
                gasAllowance,
                t.from,
                t.value,
                t.validAfter,
                t.validBefore,
                t.nonce,
                uint16(signature.length),
                signature
            );
    }
}

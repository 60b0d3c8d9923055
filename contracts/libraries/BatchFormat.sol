// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BatchFormat
/// @notice The numbers of the packed batch format, version 1, which {ISettlementRouter-settle} describes.
library BatchFormat {
    uint256 internal constant VERSION = 1;

    uint256 internal constant HEADER_BYTES = 5;
    uint256 internal constant PAYEE_BYTES = 20;
    /// @dev Every item begins with its head.
    uint256 internal constant HEAD_BYTES = 2;
    uint256 internal constant COMPACT_BYTES = 134;
    /// @dev A wide item without its signature.
    uint256 internal constant WIDE_BYTES = 156;

    uint256 internal constant WIDE_BIT = 0x8000;
    /// @dev Compact: v is 27 plus this bit. Wide: set for the (v, r, s) overload.
    uint256 internal constant SIGNATURE_BIT = 0x4000;
    uint256 internal constant RESERVED_BITS = 0x3000;
    uint256 internal constant PAYEE_MASK = 0x0fff;

    /// @dev Longest signature of a wide item. It leaves room for WebAuthn and multi-owner wallets, and bounds the
    /// memory.
    uint256 internal constant MAX_SIGNATURE_BYTES = 8192;
    uint256 internal constant ECDSA_SIGNATURE_BYTES = 65;
}

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title IERC3009
/// @notice The part of a token that the router calls: EIP-3009's `transferWithAuthorization`, and the overload with a
/// `bytes` signature that USDC (FiatToken v2.2) added for accounts with code.
interface IERC3009 {
    /// @notice Emitted by the token when a nonce is used up by a transfer. EIP-3009, "Events".
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

    /// @notice Executes a transfer that `from` authorized with an ECDSA signature. EIP-3009,
    /// "transferWithAuthorization".
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with any signature that `from` accepts: ECDSA, or ERC-1271 if `from` has code.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;

    /// @notice Whether the nonce of this payer has been used or cancelled.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);
}

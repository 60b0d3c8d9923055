// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title LyingToken
/// @notice Token that accepts every authorization and moves nothing, whatever it logs.
contract LyingToken {
    /// @notice How far a lie goes.
    /// @param Silence Logs nothing.
    /// @param UsedOnly Logs the use of the nonce and no transfer.
    /// @param OtherPayee Logs a transfer to somebody else.
    /// @param OtherValue Logs a transfer of one unit less.
    enum Lie {
        Silence,
        UsedOnly,
        OtherPayee,
        OtherValue
    }

    /// @notice How it lies.
    Lie public immutable lie;

    /// @notice The event of EIP-3009.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

    /// @notice The event of ERC-20.
    event Transfer(address indexed from, address indexed to, uint256 value);

    constructor(Lie lie_) {
        lie = lie_;
    }

    /// @notice The (v, r, s) overload of EIP-3009.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256,
        uint256,
        bytes32 nonce,
        uint8,
        bytes32,
        bytes32
    ) external {
        if (lie == Lie.Silence) return;
        emit AuthorizationUsed(from, nonce);
        if (lie == Lie.OtherPayee) emit Transfer(from, address(this), value);
        if (lie == Lie.OtherValue) emit Transfer(from, to, value - 1);
    }
}

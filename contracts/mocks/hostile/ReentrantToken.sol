// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ReentrantToken
/// @notice Token that calls back: every call from outside makes it call `target` with preset data. It records all
/// calls.
contract ReentrantToken {
    /// @dev Set while the callback runs.
    bool private transient _inside;

    /// @notice The callback's target.
    address public target;
    /// @notice The callback's data.
    bytes public data;

    /// @notice A call into the token.
    /// @param nonce The authorization's nonce.
    /// @param inside Whether the call came from inside the callback.
    event Called(bytes32 nonce, bool inside);

    /// @notice The callback's result.
    event CalledBack(bool success, bytes answer);

    /// @notice Sets the callback's target and data.
    function arm(address newTarget, bytes calldata newData) external {
        target = newTarget;
        data = newData;
    }

    /// @notice The (v, r, s) overload of EIP-3009.
    function transferWithAuthorization(
        address,
        address,
        uint256,
        uint256,
        uint256,
        bytes32 nonce,
        uint8,
        bytes32,
        bytes32
    ) external {
        emit Called(nonce, _inside);
        if (_inside) return;
        _inside = true;
        (bool success, bytes memory answer) = target.call(data);
        _inside = false;
        emit CalledBack(success, answer);
    }
}

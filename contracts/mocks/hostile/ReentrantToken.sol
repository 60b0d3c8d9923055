// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title ReentrantToken
/// @notice Token that calls `target` with data chosen beforehand from every call but those that come of that, and
/// records every call.
contract ReentrantToken {
    /// @dev Set while the call back runs.
    bool private transient _inside;

    /// @notice Whom it calls back, and with what.
    address public target;
    /// @notice See `target`.
    bytes public data;

    /// @notice A call into the token.
    /// @param nonce The authorization's.
    /// @param inside Whether it came while the call back ran.
    event Called(bytes32 nonce, bool inside);

    /// @notice What came of the call back.
    event CalledBack(bool success, bytes answer);

    /// @notice Sets whom it calls back, and with what.
    function arm(address newTarget, bytes calldata newData) external {
        target = newTarget;
        data = newData;
    }

    /// @notice The overload of EIP-3009.
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

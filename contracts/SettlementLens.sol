// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC3009} from "./interfaces/IERC3009.sol";

/// @title SettlementLens
/// @notice Reads what a planner needs to know about many payments in one `eth_call`, at one block.
/// @dev Never deployed: its creation code travels with the call.
contract SettlementLens {
    /// @notice The identity of an authorization within one token.
    struct Authorization {
        address payer;
        bytes32 nonce;
    }

    /// @notice The block at which the answers were read.
    struct Head {
        uint256 number;
        uint256 timestamp;
        uint256 baseFee;
    }

    /// @dev An `eth_call` that creates a contract returns what would become its code: 24,576 bytes at most (EIP-170).
    uint256 internal constant MAX_ANSWER_BYTES = 1024;

    /// @notice The `eth_call` has too little gas for the attempt.
    error NotEnoughGas(uint256 gasLeft, uint256 gasAllowance);

    /// @notice Makes one call and returns its result. State changes last no longer than the `eth_call`.
    /// @param gasAllowance Exactly the gas that the call gets.
    /// @return success Whether the call returned without reverting.
    /// @return gasUsed Gas that the call used before refunds, with a few hundred of this function's own.
    /// @return answer The first `MAX_ANSWER_BYTES` bytes of the return or revert data.
    function attempt(
        address target,
        uint256 gasAllowance,
        bytes calldata data
    ) external returns (bool success, uint256 gasUsed, bytes memory answer) {
        uint256 before = gasleft();
        // EIP-150 would cut the allowance without an error.
        if (before - before / 64 < gasAllowance + 100_000) revert NotEnoughGas(before, gasAllowance);
        (success, answer) = target.call{gas: gasAllowance}(data);
        gasUsed = before - gasleft();
        if (answer.length > MAX_ANSWER_BYTES) {
            assembly ("memory-safe") {
                // The rest stays allocated and unused.
                mstore(answer, MAX_ANSWER_BYTES)
            }
        }
    }

    /// @notice Which of these nonces are used or cancelled. Reverts if the token has no `authorizationState`.
    function authorizationStates(
        IERC3009 token,
        Authorization[] calldata authorizations
    ) external view returns (Head memory head, bool[] memory used) {
        head = _head();
        used = new bool[](authorizations.length);
        for (uint256 i; i < authorizations.length; ++i) {
            used[i] = token.authorizationState(authorizations[i].payer, authorizations[i].nonce);
        }
    }

    /// @notice Token balances of these accounts in atomic units, and flags for each: bit 0 is set if the account has
    /// code (an EIP-7702 delegation counts), bit 1 if the token blocks it. Reverts if the token has no `balanceOf`; a
    /// token without `isBlacklisted` blocks nobody.
    function accounts(
        IBalances token,
        address[] calldata owners
    ) external view returns (Head memory head, uint256[] memory balances, uint8[] memory flags) {
        head = _head();
        balances = new uint256[](owners.length);
        flags = new uint8[](owners.length);
        for (uint256 i; i < owners.length; ++i) {
            balances[i] = token.balanceOf(owners[i]);
            flags[i] = (owners[i].code.length == 0 ? 0 : 1) | (_isBlocked(token, owners[i]) ? 2 : 0);
        }
    }

    function _isBlocked(IBalances token, address account) private view returns (bool) {
        (bool success, bytes memory answer) = address(token).staticcall(abi.encodeCall(token.isBlacklisted, (account)));
        return success && answer.length == 32 && abi.decode(answer, (uint256)) == 1;
    }

    function _head() private view returns (Head memory) {
        return Head({number: block.number, timestamp: block.timestamp, baseFee: block.basefee});
    }
}

interface IBalances {
    function balanceOf(address account) external view returns (uint256);

    function isBlacklisted(address account) external view returns (bool);
}

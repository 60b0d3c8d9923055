// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC3009} from "./interfaces/IERC3009.sol";

/// @title SettlementLens
/// @notice Reads what a planner needs to know about many payments in one `eth_call`, all at one block.
/// @dev Never deployed: its creation code travels with the call.
contract SettlementLens {
    /// @notice The identity of an authorization within one token.
    struct Authorization {
        address payer;
        bytes32 nonce;
    }

    /// @notice The block that the answers are of.
    struct Head {
        uint256 number;
        uint256 timestamp;
        uint256 baseFee;
    }

    /// @notice Which of these nonces are used or cancelled. Reverts where the token knows no `authorizationState`.
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

    /// @notice Token balances of these accounts in atomic units, and which of them have code (an EIP-7702 delegation
    /// counts). Reverts where the token knows no `balanceOf`.
    function accounts(
        IBalances token,
        address[] calldata owners
    ) external view returns (Head memory head, uint256[] memory balances, bool[] memory hasCode) {
        head = _head();
        balances = new uint256[](owners.length);
        hasCode = new bool[](owners.length);
        for (uint256 i; i < owners.length; ++i) {
            balances[i] = token.balanceOf(owners[i]);
            hasCode[i] = owners[i].code.length != 0;
        }
    }

    function _head() private view returns (Head memory) {
        return Head({number: block.number, timestamp: block.timestamp, baseFee: block.basefee});
    }
}

interface IBalances {
    function balanceOf(address account) external view returns (uint256);
}

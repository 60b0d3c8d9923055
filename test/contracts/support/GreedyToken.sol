// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title GreedyToken
/// @notice Token that uses next to nothing if the authorization's nonce is even. If it is odd, the token uses its allowance
/// to the last few units of gas and then reverts with a long reason.
contract GreedyToken {
    /// @dev The reason's first word is the gas that was left at entry, its second the gas that was left at the end.
    fallback() external {
        assembly {
            let gasAtEntry := gas()
            if and(calldataload(0xa4), 1) {
                mstore(0, gasAtEntry)
                // Longer than what the router copies.
                mstore(0x120, 0)
                for {} gt(gas(), 120) {} {}
                mstore(0x20, gas())
                revert(0, 0x140)
            }
        }
    }
}

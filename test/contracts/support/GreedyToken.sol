// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title GreedyToken
/// @notice Token that uses up its allowance to the last few units of gas, where the authorization's nonce is odd, and then
/// reverts with a long reason; where it is even, it takes next to nothing.
contract GreedyToken {
    /// @dev The reason's first word is the gas that was left at entry, its second what was left in the end.
    fallback() external {
        assembly {
            let gasAtEntry := gas()
            if and(calldataload(0xa4), 1) {
                mstore(0, gasAtEntry)
                // Beyond what the router copies.
                mstore(0x120, 0)
                for {} gt(gas(), 120) {} {}
                mstore(0x20, gas())
                revert(0, 0x140)
            }
        }
    }
}

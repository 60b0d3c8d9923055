// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BurnerWallet
/// @notice Account (or code to delegate to) that burns all gas of whoever asks for its signature.
contract BurnerWallet {
    /// @dev `invalid` uses all gas of the call, as an endless loop would, without taking its time.
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

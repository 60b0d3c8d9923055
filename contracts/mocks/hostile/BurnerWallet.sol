// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BurnerWallet
/// @notice Account (or code for one to delegate to) that burns all gas of whoever asks for its signature.
contract BurnerWallet {
    /// @dev `invalid` takes all gas of the call at once, as an endless loop would, but without the time.
    fallback() external {
        assembly ("memory-safe") {
            invalid()
        }
    }
}

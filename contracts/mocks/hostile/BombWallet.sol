// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BombWallet
/// @notice Account that answers every call with a long run of ones, so that whoever copies them pays for the memory.
contract BombWallet {
    /// @notice How many bytes it answers.
    uint256 public immutable answerBytes;

    constructor(uint256 answerBytes_) {
        answerBytes = answerBytes_;
    }

    fallback() external {
        uint256 length = answerBytes;
        assembly {
            // Ones as far as anybody reads; the rest is zeros.
            for {
                let offset := 0
            } lt(offset, 0x200) {
                offset := add(offset, 0x20)
            } {
                mstore(offset, not(0))
            }
            return(0, length)
        }
    }
}

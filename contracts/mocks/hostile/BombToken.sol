// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BombToken
/// @notice Token that reverts everything with a long run of ones, so that whoever copies it pays for the memory.
contract BombToken {
    /// @notice How many bytes it reverts with.
    uint256 public immutable reasonBytes;

    constructor(uint256 reasonBytes_) {
        reasonBytes = reasonBytes_;
    }

    fallback() external {
        uint256 length = reasonBytes;
        assembly {
            // As much of it as anybody keeps; the rest is zeros.
            for {
                let offset := 0
            } lt(offset, 0x200) {
                offset := add(offset, 0x20)
            } {
                mstore(offset, not(0))
            }
            revert(0, length)
        }
    }
}

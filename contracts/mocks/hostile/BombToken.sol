// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title BombToken
/// @notice Token that reverts every call with a long run of ones, so that whoever copies them pays for the memory.
contract BombToken {
    /// @notice How many bytes it reverts with.
    uint256 public immutable reasonBytes;

    constructor(uint256 reasonBytes_) {
        reasonBytes = reasonBytes_;
    }

    fallback() external {
        uint256 length = reasonBytes;
        assembly {
            // Ones as far as anybody reads; the rest is zeros.
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

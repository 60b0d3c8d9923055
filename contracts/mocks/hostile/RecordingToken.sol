// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title RecordingToken
/// @notice Token that records every call and moves nothing; the authorization's nonce tells it how to refuse.
/// @dev The nonce's last byte, modulo 8, decides: 4 reverts with the hash of the calldata followed by zeros, in a
/// length that the byte before it gives in steps of 4 bytes; 5 reverts without data; 6 burns all gas. Anything else
/// succeeds.
contract RecordingToken {
    /// @notice A call that succeeded.
    /// @param gasAtEntry Gas that was left when the call began.
    /// @param data The whole calldata.
    event Called(uint256 gasAtEntry, bytes data);

    fallback() external {
        uint256 gasAtEntry = gasleft();
        // Both overloads have the nonce as their sixth argument.
        uint256 nonce = uint256(bytes32(msg.data[0xa4:0xc4]));
        uint256 mode = nonce & 7;
        if (mode == 4) _revertWith(keccak256(msg.data), ((nonce >> 8) & 0xff) * 4);
        if (mode == 5) _revertWith(0, 0);
        if (mode == 6) {
            assembly ("memory-safe") {
                invalid()
            }
        }
        emit Called(gasAtEntry, msg.data);
    }

    function _revertWith(bytes32 first, uint256 length) private pure {
        bytes memory data = new bytes(length < 32 ? 32 : length);
        assembly ("memory-safe") {
            mstore(add(data, 0x20), first)
            revert(add(data, 0x20), length)
        }
    }
}

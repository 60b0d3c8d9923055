// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title ChannelSignatures
/// @notice Checks signatures: by ECDSA for an account without code, by ERC-1271 for one with code, never by both.
library ChannelSignatures {
    /// @notice Whether `signature` over `digest` is by `signer`.
    /// @dev The call to an account with code ends with the last byte of the signature, as in the deployed contract,
    /// whose OpenZeppelin (5.5) does not pad. `abi.encodeCall` would pad, and a wallet that reads `msg.data.length`
    /// would notice. Only one word of the answer is read, so the account cannot make the caller copy more.
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool valid) {
        if (signer.code.length == 0) {
            (address recovered, ECDSA.RecoverError problem, ) = ECDSA.tryRecoverCalldata(digest, signature);
            return problem == ECDSA.RecoverError.NoError && recovered == signer;
        }

        bytes4 selector = IERC1271.isValidSignature.selector;
        // The offset of the signature, behind the two words of the head, then its length.
        bytes memory data = abi.encodePacked(selector, digest, uint256(0x40), signature.length, signature);
        assembly ("memory-safe") {
            // Scratch space holds the one word that is read.
            let success := staticcall(gas(), signer, add(data, 0x20), mload(data), 0x00, 0x20)
            valid := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0x00), selector)))
        }
    }
}

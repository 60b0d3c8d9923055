// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

/// @title ChannelSignatures
/// @notice Who signed: an account without code by ECDSA, one with code by its own word (ERC-1271), never both.
library ChannelSignatures {
    /// @notice Whether `signature` over `digest` is one of `signer`.
    /// @dev The call to an account with code ends with the last byte of the signature, as that of the deployed contract
    /// does: its OpenZeppelin (5.5) does not pad. `abi.encodeCall` would, and a wallet that looks at `msg.data.length`
    /// would notice. Of the answer one word is read, so that the account cannot make anybody copy more.
    function isValid(address signer, bytes32 digest, bytes calldata signature) internal view returns (bool valid) {
        if (signer.code.length == 0) {
            (address recovered, ECDSA.RecoverError problem, ) = ECDSA.tryRecoverCalldata(digest, signature);
            return problem == ECDSA.RecoverError.NoError && recovered == signer;
        }

        bytes4 selector = IERC1271.isValidSignature.selector;
        // Offset of the signature behind the two words of the head, then its length.
        bytes memory data = abi.encodePacked(selector, digest, uint256(0x40), signature.length, signature);
        assembly ("memory-safe") {
            // Scratch space holds the one word that is read.
            let success := staticcall(gas(), signer, add(data, 0x20), mload(data), 0x00, 0x20)
            valid := and(success, and(gt(returndatasize(), 0x1f), eq(mload(0x00), selector)))
        }
    }
}

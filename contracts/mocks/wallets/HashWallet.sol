// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title HashWallet
/// @notice Smart account that accepts one signature, of any length, for everything: the one it was told to expect.
contract HashWallet is IERC1271 {
    /// @notice Hash of the signature that it accepts.
    bytes32 public expected;

    /// @notice Sets the signature that it accepts.
    function expect(bytes calldata signature) external {
        expected = keccak256(signature);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32, bytes memory signature) external view returns (bytes4) {
        return keccak256(signature) == expected ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

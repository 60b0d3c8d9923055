// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC1271} from "@openzeppelin/contracts/interfaces/IERC1271.sol";

/// @title HashWallet
/// @notice Smart account that accepts one preset signature, of any length, for every message.
contract HashWallet is IERC1271 {
    /// @notice Hash of the accepted signature.
    bytes32 public expected;

    /// @notice Sets the accepted signature.
    function expect(bytes calldata signature) external {
        expected = keccak256(signature);
    }

    /// @inheritdoc IERC1271
    function isValidSignature(bytes32, bytes memory signature) external view returns (bytes4) {
        return keccak256(signature) == expected ? IERC1271.isValidSignature.selector : bytes4(0xffffffff);
    }
}

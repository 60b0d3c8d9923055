// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {Create2} from "@openzeppelin/contracts/utils/Create2.sol";

import {OwnerWallet} from "./OwnerWallet.sol";

/// @title OwnerWalletFactory
/// @notice Deploys an `OwnerWallet` at an address known in advance, so that it can sign before it exists (ERC-6492).
contract OwnerWalletFactory {
    /// @notice A wallet of `owner` was deployed.
    event WalletDeployed(address indexed wallet, address indexed owner, bytes32 salt);

    /// @notice Deploys the wallet, or returns its address if it exists.
    function deploy(address owner, bytes32 salt) external returns (address wallet) {
        wallet = addressOf(owner, salt);
        if (wallet.code.length > 0) return wallet;
        Create2.deploy(0, salt, _initCode(owner));
        emit WalletDeployed(wallet, owner, salt);
    }

    /// @notice The address at which `deploy` puts the wallet.
    function addressOf(address owner, bytes32 salt) public view returns (address) {
        return Create2.computeAddress(salt, keccak256(_initCode(owner)));
    }

    function _initCode(address owner) private pure returns (bytes memory) {
        return abi.encodePacked(type(OwnerWallet).creationCode, abi.encode(owner));
    }
}

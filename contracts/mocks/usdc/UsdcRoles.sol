// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IUSDC} from "./IUSDC.sol";
import {UsdcStorage} from "./UsdcStorage.sol";

/// @title UsdcRoles
/// @notice Owner, pauser and blacklister of the mock.
abstract contract UsdcRoles is UsdcStorage {
    modifier onlyPauser() {
        require(msg.sender == pauser, "Pausable: caller is not the pauser");
        _;
    }

    modifier onlyBlacklister() {
        require(msg.sender == blacklister, "Blacklistable: caller is not the blacklister");
        _;
    }

    /// @inheritdoc IUSDC
    function pause() external onlyPauser {
        paused = true;
        emit Pause();
    }

    /// @inheritdoc IUSDC
    function unpause() external onlyPauser {
        paused = false;
        emit Unpause();
    }

    /// @inheritdoc IUSDC
    function updatePauser(address newPauser) external onlyOwner {
        require(newPauser != address(0), "Pausable: new pauser is the zero address");
        pauser = newPauser;
        emit PauserChanged(newPauser);
    }

    /// @inheritdoc IUSDC
    function blacklist(address account) external onlyBlacklister {
        _setBlacklisted(account, true);
        emit Blacklisted(account);
    }

    /// @inheritdoc IUSDC
    function unBlacklist(address account) external onlyBlacklister {
        _setBlacklisted(account, false);
        emit UnBlacklisted(account);
    }

    /// @inheritdoc IUSDC
    function updateBlacklister(address newBlacklister) external onlyOwner {
        require(newBlacklister != address(0), "Blacklistable: new blacklister is the zero address");
        blacklister = newBlacklister;
        emit BlacklisterChanged(newBlacklister);
    }

    /// @inheritdoc IUSDC
    function transferOwnership(address newOwner) external onlyOwner {
        require(newOwner != address(0), "Ownable: new owner is the zero address");
        address previousOwner = owner;
        owner = newOwner;
        emit OwnershipTransferred(previousOwner, newOwner);
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

/// @title FiatProxy
/// @notice Upgradeable proxy that behaves like the one in front of USDC: its admin manages it and cannot use the token;
/// everybody else reaches only the token.
/// @dev Implementation and admin live in their ERC-1967 slots, so a local chain can place this runtime code with two
/// storage words and no constructor. If the admin is zero it cannot be upgraded.
contract FiatProxy {
    /// @dev keccak256("eip1967.proxy.implementation") - 1
    bytes32 private constant _IMPLEMENTATION_SLOT = 0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc;

    /// @dev keccak256("eip1967.proxy.admin") - 1
    bytes32 private constant _ADMIN_SLOT = 0xb53127684a568b3173ae13b9f8a6016e243e63b6e8ee1178d6a717850b5d6103;

    /// @notice The implementation changed.
    event Upgraded(address implementation);

    constructor(address implementation_, address admin_) {
        _setImplementation(implementation_);
        assembly ("memory-safe") {
            sstore(_ADMIN_SLOT, admin_)
        }
    }

    fallback() external {
        require(msg.sender != admin(), "Cannot call fallback function from the proxy admin");
        _delegate();
    }

    /// @notice Replaces the implementation. Admin only; for anybody else this is a call into the token.
    function upgradeTo(address newImplementation) external {
        if (msg.sender != admin()) _delegate();
        _setImplementation(newImplementation);
        emit Upgraded(newImplementation);
    }

    /// @notice Who may upgrade.
    function admin() public view returns (address account) {
        assembly ("memory-safe") {
            account := sload(_ADMIN_SLOT)
        }
    }

    /// @notice Where calls go.
    function implementation() public view returns (address account) {
        assembly ("memory-safe") {
            account := sload(_IMPLEMENTATION_SLOT)
        }
    }

    function _setImplementation(address account) private {
        require(account.code.length > 0, "Cannot set a proxy implementation to a non-contract address");
        assembly ("memory-safe") {
            sstore(_IMPLEMENTATION_SLOT, account)
        }
    }

    /// @dev Ends the call with the implementation's answer. It may overwrite memory, since nothing runs after it.
    function _delegate() private {
        address target = implementation();
        assembly {
            calldatacopy(0, 0, calldatasize())
            let success := delegatecall(gas(), target, 0, calldatasize(), 0, 0)
            returndatacopy(0, 0, returndatasize())
            if success {
                return(0, returndatasize())
            }
            revert(0, returndatasize())
        }
    }
}

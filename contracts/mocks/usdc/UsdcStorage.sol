// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IUSDC} from "./IUSDC.sol";

/// @title UsdcStorage
/// @notice State of the mock, in the same slots as the deployed token's, and the checks that all operations share.
/// @dev The slots matter to clients: `eth_call` state overrides write balances (slot 9) and allowances (slot 10).
abstract contract UsdcStorage is IUSDC {
    /// @dev Highest bit of a balance slot: the account is on the blocklist.
    uint256 private constant _BLOCKED = 1 << 255;

    /* STORAGE */

    /// @inheritdoc IUSDC
    address public owner; // slot 0
    /// @inheritdoc IUSDC
    address public pauser; // slot 1
    /// @inheritdoc IUSDC
    bool public paused; // slot 1
    /// @inheritdoc IUSDC
    address public blacklister; // slot 2
    uint256 private _unusedSlot3;
    /// @inheritdoc IUSDC
    string public name; // slot 4
    /// @inheritdoc IUSDC
    string public symbol; // slot 5
    /// @inheritdoc IUSDC
    uint8 public decimals; // slot 6
    /// @inheritdoc IUSDC
    string public currency; // slot 7
    /// @inheritdoc IUSDC
    address public masterMinter; // slot 8
    bool internal _initialized; // slot 8
    /// @dev Blocklist bit and balance in one word, so that one cold read answers both questions.
    mapping(address account => uint256 word) private _balanceWords; // slot 9
    /// @inheritdoc IUSDC
    mapping(address owner => mapping(address spender => uint256 value)) public allowance; // slot 10
    /// @inheritdoc IUSDC
    uint256 public totalSupply; // slot 11
    /// @inheritdoc IUSDC
    mapping(address account => bool) public isMinter; // slot 12
    /// @inheritdoc IUSDC
    mapping(address minter => uint256 value) public minterAllowance; // slot 13
    uint256[2] private _unusedSlots14And15;
    /// @inheritdoc IUSDC
    mapping(address authorizer => mapping(bytes32 nonce => bool)) public authorizationState; // slot 16
    /// @inheritdoc IUSDC
    mapping(address owner => uint256) public nonces; // slot 17

    /* MODIFIERS */

    modifier whenNotPaused() {
        require(!paused, "Pausable: paused");
        _;
    }

    modifier notBlacklisted(address account) {
        require(!isBlacklisted(account), "Blacklistable: account is blacklisted");
        _;
    }

    modifier onlyOwner() {
        require(msg.sender == owner, "Ownable: caller is not the owner");
        _;
    }

    /* VIEWS */

    /// @inheritdoc IUSDC
    function balanceOf(address account) public view returns (uint256) {
        return _balanceWords[account] & ~_BLOCKED;
    }

    /// @inheritdoc IUSDC
    function isBlacklisted(address account) public view returns (bool) {
        return _balanceWords[account] & _BLOCKED != 0;
    }

    /* INTERNAL */

    /// @dev Writes a balance. The balance of a blocked account never changes, whatever path leads here.
    function _setBalance(address account, uint256 balance) internal {
        require(balance < _BLOCKED, "FiatTokenV2_2: Balance exceeds (2^255 - 1)");
        require(!isBlacklisted(account), "FiatTokenV2_2: Account is blacklisted");
        _balanceWords[account] = balance;
    }

    function _setBlacklisted(address account, bool blocked) internal {
        uint256 balance = balanceOf(account);
        _balanceWords[account] = blocked ? balance | _BLOCKED : balance;
    }

    /// @dev Checked sum that reverts with a string instead of the compiler's panic.
    function _sum(uint256 a, uint256 b) internal pure returns (uint256 c) {
        // The sum wraps exactly if it is below a term, which the next line rejects.
        unchecked {
            c = a + b;
        }
        require(c >= a, "SafeMath: addition overflow");
    }
}

// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title IUSDC
/// @notice What a client sees of USDC: ERC-20, EIP-3009, EIP-2612, the minters and the four roles.
/// @dev Every failure is an `Error(string)`. If several conditions fail, the first in the order that a function lists
/// wins.
interface IUSDC {
    /* EVENTS */

    /// @notice `value` units moved from `from` to `to`; a zero address means minting or burning.
    event Transfer(address indexed from, address indexed to, uint256 value);

    /// @notice `spender` may now spend `value` units of `owner`.
    event Approval(address indexed owner, address indexed spender, uint256 value);

    /// @notice An EIP-3009 authorization was executed.
    event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce);

    /// @notice An EIP-3009 authorization was revoked before it was executed.
    event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce);

    /// @notice `minter` created `amount` units for `to`.
    event Mint(address indexed minter, address indexed to, uint256 amount);

    /// @notice `burner` destroyed `amount` of its own units.
    event Burn(address indexed burner, uint256 amount);

    /// @notice `minter` may now mint `minterAllowedAmount` units.
    event MinterConfigured(address indexed minter, uint256 minterAllowedAmount);

    /// @notice `oldMinter` may no longer mint.
    event MinterRemoved(address indexed oldMinter);

    /// @notice The role that configures minters moved.
    event MasterMinterChanged(address indexed newMasterMinter);

    /// @notice The token was paused.
    event Pause();

    /// @notice The token was resumed.
    event Unpause();

    /// @notice The role that pauses moved.
    event PauserChanged(address indexed newAddress);

    /// @notice `account` was put on the blocklist.
    event Blacklisted(address indexed account);

    /// @notice `account` was taken off the blocklist.
    event UnBlacklisted(address indexed account);

    /// @notice The role that keeps the blocklist moved.
    event BlacklisterChanged(address indexed newBlacklister);

    /// @notice The role that appoints the other roles moved. Neither argument is indexed.
    event OwnershipTransferred(address previousOwner, address newOwner);

    /* SET-UP */

    /// @notice Names the token and appoints its roles. Works once.
    function initialize(
        string memory tokenName,
        string memory tokenSymbol,
        string memory tokenCurrency,
        uint8 tokenDecimals,
        address newMasterMinter,
        address newPauser,
        address newBlacklister,
        address newOwner
    ) external;

    /* ERC-20 */

    /// @notice Moves `value` units of the caller to `to`.
    /// @dev Checks in order: paused; caller, then `to` blocklisted; `to` zero; balance.
    function transfer(address to, uint256 value) external returns (bool);

    /// @notice Moves `value` units of `from` to `to` and takes them off the caller's allowance, even a maximal one.
    /// @dev Checks in order: paused; caller, `from`, `to` blocklisted; allowance; zero addresses; balance.
    function transferFrom(address from, address to, uint256 value) external returns (bool);

    /// @notice Sets the allowance of `spender` over the caller's units. Blocklisted accounts may do so.
    function approve(address spender, uint256 value) external returns (bool);

    /// @notice Raises the allowance of `spender` by `increment`.
    function increaseAllowance(address spender, uint256 increment) external returns (bool);

    /// @notice Lowers the allowance of `spender` by `decrement`.
    function decreaseAllowance(address spender, uint256 decrement) external returns (bool);

    /* EIP-3009 */

    /// @notice Executes a transfer that `from` signed; anybody may call.
    /// @dev Checks in order: paused; `from`, then `to` blocklisted; `validAfter < block.timestamp`;
    /// `block.timestamp < validBefore`; nonce unused; signature; `to` zero; balance.
    /// @dev An account with code is asked through ERC-1271 and gets the signature packed as r, s, v.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with the signature in one piece: r, s, v for an account without code, anything for one with
    /// code.
    function transferWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;

    /// @notice Executes a transfer that `from` signed and only `to` may submit.
    /// @dev Checks as in `transferWithAuthorization`; the caller is checked after the blocklist.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with the signature in one piece.
    function receiveWithAuthorization(
        address from,
        address to,
        uint256 value,
        uint256 validAfter,
        uint256 validBefore,
        bytes32 nonce,
        bytes memory signature
    ) external;

    /// @notice Revokes an authorization that was not executed yet; `authorizer` signs the revocation.
    /// @dev Checks in order: paused; nonce unused; signature. The blocklist is ignored.
    function cancelAuthorization(address authorizer, bytes32 nonce, uint8 v, bytes32 r, bytes32 s) external;

    /// @notice The same with the signature in one piece.
    function cancelAuthorization(address authorizer, bytes32 nonce, bytes memory signature) external;

    /* EIP-2612 */

    /// @notice Sets an allowance that `owner` signed.
    /// @dev Checks in order: paused; `block.timestamp <= deadline`; signature; `spender` zero. The blocklist is
    /// ignored.
    function permit(
        address owner,
        address spender,
        uint256 value,
        uint256 deadline,
        uint8 v,
        bytes32 r,
        bytes32 s
    ) external;

    /// @notice The same with the signature in one piece.
    function permit(address owner, address spender, uint256 value, uint256 deadline, bytes memory signature) external;

    /* MINTERS */

    /// @notice Creates `amount` units for `to` from the caller's minter allowance.
    /// @dev Checks in order: paused; caller a minter; caller, then `to` blocklisted; `to` zero; amount zero; allowance.
    function mint(address to, uint256 amount) external returns (bool);

    /// @notice Destroys `amount` units of the caller, who must be a minter.
    /// @dev Checks in order: paused; caller a minter; caller blocklisted; amount zero; balance.
    function burn(uint256 amount) external;

    /// @notice Makes `minter` a minter and sets (does not add to) what it may mint. Master minter only, not while
    /// paused.
    function configureMinter(address minter, uint256 minterAllowedAmount) external returns (bool);

    /// @notice Removes a minter. Master minter only, also while paused.
    function removeMinter(address minter) external returns (bool);

    /// @notice Appoints the master minter. Owner only.
    function updateMasterMinter(address newMasterMinter) external;

    /* ROLES */

    /// @notice Stops everything that moves units, allowances or authorizations. Pauser only.
    function pause() external;

    /// @notice Resumes. Pauser only.
    function unpause() external;

    /// @notice Appoints the pauser. Owner only.
    function updatePauser(address newPauser) external;

    /// @notice Puts `account` on the blocklist. Blacklister only.
    function blacklist(address account) external;

    /// @notice Takes `account` off the blocklist. Blacklister only.
    function unBlacklist(address account) external;

    /// @notice Appoints the blacklister. Owner only.
    function updateBlacklister(address newBlacklister) external;

    /// @notice Appoints the owner. Owner only.
    function transferOwnership(address newOwner) external;

    /* VIEWS */

    /// @notice First field of the EIP-712 domain; `USDC` on Base Sepolia, `USD Coin` on Base.
    function name() external view returns (string memory);

    /// @notice Ticker symbol.
    function symbol() external view returns (string memory);

    /// @notice Decimal places: 6.
    function decimals() external view returns (uint8);

    /// @notice ISO code of the currency behind the token: USD.
    function currency() external view returns (string memory);

    /// @notice Second field of the EIP-712 domain: `2`.
    function version() external pure returns (string memory);

    /// @notice EIP-712 domain separator on this chain, at this address.
    function DOMAIN_SEPARATOR() external view returns (bytes32);

    /// @notice EIP-712 type hash of TransferWithAuthorization.
    function TRANSFER_WITH_AUTHORIZATION_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of ReceiveWithAuthorization.
    function RECEIVE_WITH_AUTHORIZATION_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of CancelAuthorization.
    function CANCEL_AUTHORIZATION_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of Permit.
    function PERMIT_TYPEHASH() external view returns (bytes32);

    /// @notice Units in existence.
    function totalSupply() external view returns (uint256);

    /// @notice Units of `account`.
    function balanceOf(address account) external view returns (uint256);

    /// @notice Units of `owner` that `spender` may spend.
    function allowance(address owner, address spender) external view returns (uint256);

    /// @notice Next permit nonce of `owner`.
    function nonces(address owner) external view returns (uint256);

    /// @notice Whether the authorization nonce of `authorizer` was executed or revoked.
    function authorizationState(address authorizer, bytes32 nonce) external view returns (bool);

    /// @notice Whether `account` is a minter.
    function isMinter(address account) external view returns (bool);

    /// @notice Units that `minter` may still mint.
    function minterAllowance(address minter) external view returns (uint256);

    /// @notice Whether `account` is on the blocklist.
    function isBlacklisted(address account) external view returns (bool);

    /// @notice Whether the token is paused.
    function paused() external view returns (bool);

    /// @notice Who appoints the other roles.
    function owner() external view returns (address);

    /// @notice Who configures minters.
    function masterMinter() external view returns (address);

    /// @notice Who pauses.
    function pauser() external view returns (address);

    /// @notice Who keeps the blocklist.
    function blacklister() external view returns (address);
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IUSDC} from "./usdc/IUSDC.sol";
import {UsdcAuthorizations} from "./usdc/UsdcAuthorizations.sol";
import {UsdcMinters} from "./usdc/UsdcMinters.sol";
import {UsdcRoles} from "./usdc/UsdcRoles.sol";

/// @title MockUSDC
/// @notice Test token that answers like USDC (FiatTokenV2_2) wherever a client can see it: functions, events, revert
/// strings, their precedence, EIP-712 domain, storage slots.
/// @dev No constructor and no immutables: the runtime code works wherever it is placed, alone or behind a proxy.
/// @dev Left out: the rescuer (`rescuer`, `updateRescuer`, `rescueERC20`) and the initializers of later versions, whose
/// effect `initialize` has here. Upgrades are the proxy's business.
/// @dev Also left out: calldata that solc 0.6.12 accepts and 0.8 does not. An address argument with dirty upper bytes
/// and a `v` above 255 revert here with empty data; the deployed token accepts the call, or reverts with ECRecover's
/// message.
/// @dev Warning: anybody may initialize it first. It is for tests; never deploy it on a chain with real money.
contract MockUSDC is UsdcRoles, UsdcMinters, UsdcAuthorizations {
    /// @inheritdoc IUSDC
    /// @dev The token's own address is blocked from the start, so that no units get stuck there.
    function initialize(
        string memory tokenName,
        string memory tokenSymbol,
        string memory tokenCurrency,
        uint8 tokenDecimals,
        address newMasterMinter,
        address newPauser,
        address newBlacklister,
        address newOwner
    ) external {
        require(!_initialized, "FiatToken: contract is already initialized");
        require(newMasterMinter != address(0), "FiatToken: new masterMinter is the zero address");
        require(newPauser != address(0), "FiatToken: new pauser is the zero address");
        require(newBlacklister != address(0), "FiatToken: new blacklister is the zero address");
        require(newOwner != address(0), "FiatToken: new owner is the zero address");

        _initialized = true;
        name = tokenName;
        symbol = tokenSymbol;
        currency = tokenCurrency;
        decimals = tokenDecimals;
        masterMinter = newMasterMinter;
        pauser = newPauser;
        blacklister = newBlacklister;
        owner = newOwner;
        _setBlacklisted(address(this), true);
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";

import {IBatchSettlement} from "../channels/IBatchSettlement.sol";
import {IDepositCollector} from "../channels/IDepositCollector.sol";

/// @title LooseCollector
/// @notice Collector that pays a preset amount from its own balance, or calls back into its caller.
contract LooseCollector is IDepositCollector {
    IERC20 private _token;
    uint256 private _amount;
    bool private _callsBack;

    /// @notice Makes every later collection pay `amount` units of `token`.
    function bring(IERC20 token, uint256 amount) external {
        _token = token;
        _amount = amount;
        _callsBack = false;
    }

    /// @notice Makes every later collection call the caller's `settle` instead.
    function callBack() external {
        _callsBack = true;
    }

    /// @inheritdoc IDepositCollector
    function collect(address payer, address token, uint256, bytes32, bytes calldata) external {
        if (_callsBack) IBatchSettlement(msg.sender).settle(payer, token);
        else _token.transfer(msg.sender, _amount);
    }
}

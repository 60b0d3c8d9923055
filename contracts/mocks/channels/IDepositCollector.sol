// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title IDepositCollector
/// @notice Fetches a payer's tokens for a channel: one collector for each way in which a payer can authorize that.
interface IDepositCollector {
    /// @notice Moves `amount` units of `token` from `payer` to the caller, which is the settlement contract.
    /// @param channelId The channel that the deposit is for; what the payer signed names it.
    /// @param collectorData The payer's authorization, in the collector's own encoding.
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata collectorData
    ) external;
}

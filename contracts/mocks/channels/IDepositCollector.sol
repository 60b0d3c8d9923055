// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title IDepositCollector
/// @notice Fetches a payer's tokens for a channel. There is one collector for each way in which a payer can authorize
/// it.
interface IDepositCollector {
    /// @notice Moves `amount` units of `token` from `payer` to the caller, the settlement contract.
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

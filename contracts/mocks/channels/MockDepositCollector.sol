// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";

import {IUSDC} from "../usdc/IUSDC.sol";
import {IDepositCollector} from "./IDepositCollector.sol";

/// @title MockDepositCollector
/// @notice Double of x402's ERC3009DepositCollector for local chains and tests. It fetches a deposit by an EIP-3009
/// authorization to itself, and passes the tokens on.
/// @dev `collectorData` is `abi.encode(uint256 validAfter, uint256 validBefore, uint256 salt, bytes signature)`. The
/// authorization's nonce is `keccak256(abi.encode(channelId, salt))`, so the payer's signature names the channel.
/// @dev The address it serves is a constant, because code that a local chain places has no immutables.
/// @dev Warning: it is for tests; never deploy it on a chain with real money.
contract MockDepositCollector is IDepositCollector {
    using SafeERC20 for IERC20;

    /// @notice The settlement contract, at its address on every chain.
    // solhint-disable-next-line const-name-snakecase
    address public constant x402BatchSettlement = 0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003;

    /// @notice The caller is not the settlement contract. Without this check anyone could take a payer's deposit.
    error OnlyX402BatchSettlement();

    /// @inheritdoc IDepositCollector
    function collect(
        address payer,
        address token,
        uint256 amount,
        bytes32 channelId,
        bytes calldata collectorData
    ) external {
        require(msg.sender == x402BatchSettlement, OnlyX402BatchSettlement());
        (uint256 validAfter, uint256 validBefore, uint256 salt, bytes memory signature) = abi.decode(
            collectorData,
            (uint256, uint256, uint256, bytes)
        );
        bytes32 nonce = keccak256(abi.encode(channelId, salt));
        IUSDC(token).receiveWithAuthorization(payer, address(this), amount, validAfter, validBefore, nonce, signature);
        IERC20(token).safeTransfer(x402BatchSettlement, amount);
    }
}

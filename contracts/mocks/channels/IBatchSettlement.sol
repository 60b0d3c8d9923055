// SPDX-License-Identifier: MIT
pragma solidity ^0.8.4;

/// @title IBatchSettlement
/// @notice What a client sees of x402BatchSettlement: unidirectional payment channels, x402 scheme `batch-settlement`
/// on EVM. A payer deposits once and signs cumulative vouchers; the receiver's side claims the newest one and sweeps.
/// @dev Amounts are atomic units of the channel's token. No error carries an argument.
interface IBatchSettlement {
    /// @notice The terms of a channel, which never change. Their EIP-712 hash is the channel's id.
    /// @param payer Whose tokens are deposited, and who gets back what is not claimed.
    /// @param payerAuthorizer The key that signs vouchers (ECDSA only); zero if `payer` signs them itself.
    /// @param receiver Who is paid.
    /// @param receiverAuthorizer Who signs claims and refunds for the receiver, by ECDSA or ERC-1271.
    /// @param withdrawDelay Seconds from the start of a withdrawal to its end: 15 minutes to 30 days.
    /// @param salt Tells channels with the same terms apart.
    struct ChannelConfig {
        address payer;
        address payerAuthorizer;
        address receiver;
        address receiverAuthorizer;
        address token;
        uint40 withdrawDelay;
        bytes32 salt;
    }

    /// @notice The payer's promise that up to `maxClaimableAmount` may be claimed from the channel in total.
    struct Voucher {
        ChannelConfig channel;
        uint128 maxClaimableAmount;
    }

    /// @notice One row of a claim: the voucher with its signature, and the channel's total claimed afterwards.
    struct VoucherClaim {
        Voucher voucher;
        bytes signature;
        uint128 totalClaimed;
    }

    /* EVENTS */

    /// @notice A channel that was empty, and from which nothing was ever claimed, received its first deposit. A channel
    /// that was closed can be created again.
    event ChannelCreated(bytes32 indexed channelId, ChannelConfig config);

    /// @notice A refund or withdrawal emptied a channel from which nothing was ever claimed.
    event ChannelClosed(bytes32 indexed channelId, ChannelConfig config);

    /// @notice `amount` was added to a channel, which now holds `newBalance`.
    event Deposited(bytes32 indexed channelId, address indexed sender, uint128 amount, uint128 newBalance);

    /// @notice `claimAmount` more was claimed from a channel, `newTotalClaimed` in total.
    event Claimed(bytes32 indexed channelId, address indexed sender, uint128 claimAmount, uint128 newTotalClaimed);

    /// @notice Everything claimed for `receiver` and not yet swept was sent to it.
    event Settled(address indexed receiver, address indexed token, address indexed sender, uint128 amount);

    /// @notice The receiver's side gave `amount` back to the payer.
    event Refunded(bytes32 indexed channelId, address indexed sender, uint128 amount);

    /// @notice The payer's side asked for `amount` back, which it can take from `finalizeAfter` (Unix seconds) on.
    event WithdrawInitiated(bytes32 indexed channelId, uint128 amount, uint40 finalizeAfter);

    /// @notice A withdrawal ended and sent `amount` to the payer; 0 if everything was claimed meanwhile.
    event WithdrawFinalized(bytes32 indexed channelId, address indexed sender, uint128 amount);

    /* ERRORS */

    /// @notice A config lacks the payer, the receiver, the receiver authorizer or the token; or the caller who starts a
    /// withdrawal is neither payer nor payer authorizer.
    error InvalidChannel();

    /// @notice The delay is below 15 minutes or above 30 days.
    error WithdrawDelayOutOfRange();

    /// @notice The deposit is zero.
    error ZeroDeposit();

    /// @notice The collector is the zero address.
    error InvalidCollector();

    /// @notice The channel would hold 2^128 or more.
    error DepositOverflow();

    /// @notice The collector did not bring exactly `amount` to this contract.
    error DepositCollectionFailed();

    /// @notice The claim has no rows.
    error EmptyBatch();

    /// @notice The caller of `claim` is neither receiver nor receiver authorizer of some row.
    error NotAuthorizedToClaim();

    /// @notice The rows of a signed claim name different receiver authorizers.
    error NotReceiverAuthorizer();

    /// @notice A row claims more than its voucher allows.
    error ClaimExceedsCeiling();

    /// @notice A row claims more than the channel holds.
    error ClaimExceedsBalance();

    /// @notice A voucher, claim or refund is not signed by the account that has to sign it.
    error InvalidSignature();

    /// @notice The withdrawal is zero.
    error NothingToWithdraw();

    /// @notice The channel has a withdrawal that is not finalized.
    error WithdrawalAlreadyPending();

    /// @notice The withdrawal asks for more than the channel holds unclaimed.
    error WithdrawAmountExceedsAvailable();

    /// @notice The caller who ends a withdrawal is neither payer nor payer authorizer.
    error NotAuthorizedToFinalizeWithdraw();

    /// @notice The channel has no withdrawal to finalize.
    error WithdrawalNotPending();

    /// @notice The channel's delay is not over.
    error WithdrawDelayNotElapsed();

    /// @notice The caller of `refund` is neither receiver nor receiver authorizer.
    error NotAuthorizedToRefund();

    /// @notice The signed refund is not the channel's next one.
    error InvalidRefundNonce();

    /// @notice The refund is zero.
    error ZeroRefund();

    /// @notice A token or collector called back.
    error ReentrancyGuardReentrantCall();

    /* PAYER'S DEPOSIT */

    /// @notice Adds `amount` to the channel with these terms, and creates it if needed. Anyone may call.
    /// @param collector The contract that fetches the tokens, see IDepositCollector.
    /// @param collectorData What the collector needs to fetch them.
    function deposit(
        ChannelConfig calldata config,
        uint128 amount,
        address collector,
        bytes calldata collectorData
    ) external;

    /* CLAIM AND SETTLE */

    /// @notice Records what each row claims, all rows or none; moves no tokens. The caller must be receiver or receiver
    /// authorizer of every row.
    /// @dev A row whose `totalClaimed` is not above the recorded one is skipped without checks, so a claim can be
    /// repeated.
    function claim(VoucherClaim[] calldata voucherClaims) external;

    /// @notice The same for rows of one receiver authorizer, who signed the batch. Anyone may call.
    function claimWithSignature(VoucherClaim[] calldata voucherClaims, bytes calldata authorizerSignature) external;

    /// @notice Sends `receiver` what was claimed for it and not yet swept; does nothing if that is zero. Anyone may
    /// call.
    function settle(address receiver, address token) external;

    /* PAYER'S WITHDRAWAL */

    /// @notice Announces that the payer wants `amount` back. Callable by payer and payer authorizer.
    /// @dev Warning: nothing is set aside for vouchers that are signed and not claimed. Their holder has to claim them
    /// within the channel's delay.
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external;

    /// @notice After the delay, sends the payer what was announced, or what is left if that is less. Callable by payer
    /// and payer authorizer.
    function finalizeWithdraw(ChannelConfig calldata config) external;

    /* RECEIVER'S REFUND */

    /// @notice Gives `amount`, or what is left if that is less, back to the payer at once. Callable by receiver and
    /// receiver authorizer.
    /// @dev Uses a refund nonce even if nothing is left, which voids signed refunds. A pending withdrawal shrinks by
    /// what was refunded, or ends.
    function refund(ChannelConfig calldata config, uint128 amount) external;

    /// @notice The same with the receiver authorizer's signature over channel, nonce and amount. Anyone may call.
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external;

    /* BATCH */

    /// @notice Calls this contract once for each item, on behalf of the caller; all calls succeed, or none.
    function multicall(bytes[] calldata data) external returns (bytes[] memory results);

    /* VIEWS */

    /// @notice What a channel holds (deposits less refunds and withdrawals), and how much of that was claimed in total.
    function channels(bytes32 channelId) external view returns (uint128 balance, uint128 totalClaimed);

    /// @notice A channel's pending withdrawal; `initiatedAt` (Unix seconds) is 0 if there is none.
    function pendingWithdrawals(bytes32 channelId) external view returns (uint128 amount, uint40 initiatedAt);

    /// @notice The nonce of a channel's next refund.
    function refundNonce(bytes32 channelId) external view returns (uint256);

    /// @notice What was claimed for a receiver over all its channels with this token, and how much of that was swept.
    function receivers(
        address receiver,
        address token
    ) external view returns (uint128 totalClaimed, uint128 totalSettled);

    /// @notice The id of the channel with these terms on this chain: their EIP-712 hash.
    function getChannelId(ChannelConfig calldata config) external view returns (bytes32);

    /// @notice What the payer's side signs for a voucher.
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32);

    /// @notice What the receiver authorizer signs for a refund.
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) external view returns (bytes32);

    /// @notice What the receiver authorizer signs for a claim of these rows; their voucher signatures do not count.
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32);

    /// @notice The EIP-712 domain (ERC-5267), with the fields name, version, chainId and verifyingContract.
    function eip712Domain()
        external
        view
        returns (
            bytes1 fields,
            string memory name,
            string memory version,
            uint256 chainId,
            address verifyingContract,
            bytes32 salt,
            uint256[] memory extensions
        );

    // solhint-disable func-name-mixedcase

    /// @notice EIP-712 type hash of ChannelConfig.
    function CHANNEL_CONFIG_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of Voucher: `channelId` and `maxClaimableAmount`.
    function VOUCHER_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of Refund: `channelId`, `nonce` and `amount`.
    function REFUND_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of ClaimEntry: `channelId`, `maxClaimableAmount` and `totalClaimed`.
    function CLAIM_ENTRY_TYPEHASH() external view returns (bytes32);

    /// @notice EIP-712 type hash of ClaimBatch: an array of ClaimEntry.
    function CLAIM_BATCH_TYPEHASH() external view returns (bytes32);

    /// @notice Shortest allowed `withdrawDelay`, in seconds.
    function MIN_WITHDRAW_DELAY() external view returns (uint40);

    /// @notice Longest allowed `withdrawDelay`, in seconds.
    function MAX_WITHDRAW_DELAY() external view returns (uint40);
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {IERC20} from "@openzeppelin/contracts/token/ERC20/IERC20.sol";
import {SafeERC20} from "@openzeppelin/contracts/token/ERC20/utils/SafeERC20.sol";
import {Multicall} from "@openzeppelin/contracts/utils/Multicall.sol";
import {ECDSA} from "@openzeppelin/contracts/utils/cryptography/ECDSA.sol";

import {ChannelHashes} from "./ChannelHashes.sol";
import {ChannelSignatures} from "./ChannelSignatures.sol";
import {IBatchSettlement} from "./IBatchSettlement.sol";
import {IDepositCollector} from "./IDepositCollector.sol";

/// @title MockBatchSettlement
/// @notice Double of x402BatchSettlement for local chains and tests. Written from its interface, it answers the same
/// way at the same address: functions, events, errors and their precedence, EIP-712 domain, time rules.
/// @dev No constructor and no immutables: the runtime code works wherever it is placed, under that address's domain.
/// @dev Assumes that a transfer of the token moves exactly the amount it names; otherwise the deposit fails.
/// @dev Warning: this is not the audited contract. It is for tests; never deploy it on a chain with real money.
contract MockBatchSettlement is IBatchSettlement, Multicall {
    using SafeERC20 for IERC20;

    /* TYPES */

    struct Channel {
        uint128 balance;
        uint128 totalClaimed;
    }

    struct Withdrawal {
        uint128 amount;
        uint40 initiatedAt;
    }

    struct Receiver {
        uint128 totalClaimed;
        uint128 totalSettled;
    }

    /* CONSTANTS */

    /// @inheritdoc IBatchSettlement
    bytes32 public constant CHANNEL_CONFIG_TYPEHASH = ChannelHashes.CHANNEL_CONFIG_TYPEHASH;

    /// @inheritdoc IBatchSettlement
    bytes32 public constant VOUCHER_TYPEHASH = ChannelHashes.VOUCHER_TYPEHASH;

    /// @inheritdoc IBatchSettlement
    bytes32 public constant REFUND_TYPEHASH = ChannelHashes.REFUND_TYPEHASH;

    /// @inheritdoc IBatchSettlement
    bytes32 public constant CLAIM_ENTRY_TYPEHASH = ChannelHashes.CLAIM_ENTRY_TYPEHASH;

    /// @inheritdoc IBatchSettlement
    bytes32 public constant CLAIM_BATCH_TYPEHASH = ChannelHashes.CLAIM_BATCH_TYPEHASH;

    /// @inheritdoc IBatchSettlement
    uint40 public constant MIN_WITHDRAW_DELAY = 15 minutes;

    /// @inheritdoc IBatchSettlement
    uint40 public constant MAX_WITHDRAW_DELAY = 30 days;

    /* STORAGE */

    /// @inheritdoc IBatchSettlement
    mapping(bytes32 channelId => Channel) public channels;

    /// @inheritdoc IBatchSettlement
    mapping(bytes32 channelId => Withdrawal) public pendingWithdrawals;

    /// @inheritdoc IBatchSettlement
    mapping(bytes32 channelId => uint256) public refundNonce;

    /// @inheritdoc IBatchSettlement
    mapping(address receiver => mapping(address token => Receiver)) public receivers;

    /// @dev In transient storage (EIP-1153), false between calls.
    bool private transient _entered;

    modifier nonReentrant() {
        require(!_entered, ReentrancyGuardReentrantCall());
        _entered = true;
        _;
        _entered = false;
    }

    /* PAYER'S DEPOSIT */

    /// @inheritdoc IBatchSettlement
    function deposit(
        ChannelConfig calldata config,
        uint128 amount,
        address collector,
        bytes calldata collectorData
    ) external nonReentrant {
        _requireValid(config);
        require(amount > 0, ZeroDeposit());
        require(collector != address(0), InvalidCollector());

        bytes32 id = getChannelId(config);
        Channel storage channel = channels[id];
        require(amount <= type(uint128).max - channel.balance, DepositOverflow());
        uint128 newBalance = channel.balance + amount;
        channel.balance = newBalance;

        uint256 held = IERC20(config.token).balanceOf(address(this));
        IDepositCollector(collector).collect(config.payer, config.token, amount, id, collectorData);
        require(IERC20(config.token).balanceOf(address(this)) == held + amount, DepositCollectionFailed());

        if (newBalance == amount && channel.totalClaimed == 0) emit ChannelCreated(id, config);
        emit Deposited(id, msg.sender, amount, newBalance);
    }

    /* CLAIM AND SETTLE */

    /// @inheritdoc IBatchSettlement
    function claim(VoucherClaim[] calldata voucherClaims) external nonReentrant {
        require(voucherClaims.length > 0, EmptyBatch());
        bytes32 domain = ChannelHashes.domainSeparator();
        for (uint256 i; i < voucherClaims.length; ++i) {
            ChannelConfig calldata config = voucherClaims[i].voucher.channel;
            require(_isReceiverSide(config), NotAuthorizedToClaim());
            _claim(domain, ChannelHashes.channelId(domain, config), voucherClaims[i]);
        }
    }

    /// @inheritdoc IBatchSettlement
    function claimWithSignature(
        VoucherClaim[] calldata voucherClaims,
        bytes calldata authorizerSignature
    ) external nonReentrant {
        require(voucherClaims.length > 0, EmptyBatch());
        address authorizer = voucherClaims[0].voucher.channel.receiverAuthorizer;
        bytes32 domain = ChannelHashes.domainSeparator();
        bytes32[] memory ids = _channelIds(domain, voucherClaims);
        bytes32 digest = ChannelHashes.claimBatch(domain, ids, voucherClaims);
        _requireSignedBy(authorizer, digest, authorizerSignature);

        for (uint256 i; i < voucherClaims.length; ++i) {
            require(voucherClaims[i].voucher.channel.receiverAuthorizer == authorizer, NotReceiverAuthorizer());
            _claim(domain, ids[i], voucherClaims[i]);
        }
    }

    /// @inheritdoc IBatchSettlement
    function settle(address receiver, address token) external nonReentrant {
        Receiver storage account = receivers[receiver][token];
        uint128 amount = account.totalClaimed - account.totalSettled;
        if (amount == 0) return;
        account.totalSettled += amount;
        IERC20(token).safeTransfer(receiver, amount);
        emit Settled(receiver, token, msg.sender, amount);
    }

    /* PAYER'S WITHDRAWAL */

    /// @inheritdoc IBatchSettlement
    function initiateWithdraw(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(_isPayerSide(config), InvalidChannel());
        require(amount > 0, NothingToWithdraw());
        bytes32 id = getChannelId(config);
        require(pendingWithdrawals[id].initiatedAt == 0, WithdrawalAlreadyPending());
        require(amount <= _available(id), WithdrawAmountExceedsAvailable());

        // A block's timestamp fits 40 bits for another 34,000 years.
        uint40 time = uint40(block.timestamp);
        pendingWithdrawals[id] = Withdrawal(amount, time);
        emit WithdrawInitiated(id, amount, time + config.withdrawDelay);
    }

    /// @inheritdoc IBatchSettlement
    function finalizeWithdraw(ChannelConfig calldata config) external nonReentrant {
        require(_isPayerSide(config), NotAuthorizedToFinalizeWithdraw());
        bytes32 id = getChannelId(config);
        Withdrawal memory withdrawal = pendingWithdrawals[id];
        require(withdrawal.initiatedAt > 0, WithdrawalNotPending());
        uint256 end = uint256(withdrawal.initiatedAt) + config.withdrawDelay;
        require(block.timestamp >= end, WithdrawDelayNotElapsed());

        uint128 amount = _least(withdrawal.amount, _available(id));
        delete pendingWithdrawals[id];
        channels[id].balance -= amount;
        emit WithdrawFinalized(id, msg.sender, amount);
        _payBack(id, config, amount);
    }

    /* RECEIVER'S REFUND */

    /// @inheritdoc IBatchSettlement
    function refund(ChannelConfig calldata config, uint128 amount) external nonReentrant {
        require(_isReceiverSide(config), NotAuthorizedToRefund());
        _refund(getChannelId(config), config, amount);
    }

    /// @inheritdoc IBatchSettlement
    function refundWithSignature(
        ChannelConfig calldata config,
        uint128 amount,
        uint256 nonce,
        bytes calldata receiverAuthorizerSignature
    ) external nonReentrant {
        bytes32 domain = ChannelHashes.domainSeparator();
        bytes32 id = ChannelHashes.channelId(domain, config);
        require(nonce == refundNonce[id], InvalidRefundNonce());
        bytes32 digest = ChannelHashes.refund(domain, id, nonce, amount);
        _requireSignedBy(config.receiverAuthorizer, digest, receiverAuthorizerSignature);
        _refund(id, config, amount);
    }

    /* BATCH */

    /// @inheritdoc IBatchSettlement
    function multicall(
        bytes[] calldata data
    ) public override(IBatchSettlement, Multicall) returns (bytes[] memory results) {
        return super.multicall(data);
    }

    /* VIEWS */

    /// @inheritdoc IBatchSettlement
    function getVoucherDigest(bytes32 channelId, uint128 maxClaimableAmount) external view returns (bytes32) {
        return ChannelHashes.voucher(ChannelHashes.domainSeparator(), channelId, maxClaimableAmount);
    }

    /// @inheritdoc IBatchSettlement
    function getRefundDigest(bytes32 channelId, uint256 nonce, uint128 amount) external view returns (bytes32) {
        return ChannelHashes.refund(ChannelHashes.domainSeparator(), channelId, nonce, amount);
    }

    /// @inheritdoc IBatchSettlement
    function getClaimBatchDigest(VoucherClaim[] calldata voucherClaims) external view returns (bytes32) {
        bytes32 domain = ChannelHashes.domainSeparator();
        return ChannelHashes.claimBatch(domain, _channelIds(domain, voucherClaims), voucherClaims);
    }

    /// @inheritdoc IBatchSettlement
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
        )
    {
        // Bits 0 to 3: name, version, chainId, verifyingContract (ERC-5267).
        return (hex"0f", "x402 Batch Settlement", "1", block.chainid, address(this), 0, new uint256[](0));
    }

    /// @inheritdoc IBatchSettlement
    function getChannelId(ChannelConfig calldata config) public view returns (bytes32) {
        return ChannelHashes.channelId(ChannelHashes.domainSeparator(), config);
    }

    /* INTERNALS */

    function _claim(bytes32 domain, bytes32 id, VoucherClaim calldata row) private {
        Channel memory channel = channels[id];
        uint128 newTotal = row.totalClaimed;
        if (newTotal <= channel.totalClaimed) return;
        require(newTotal <= row.voucher.maxClaimableAmount, ClaimExceedsCeiling());
        require(newTotal <= channel.balance, ClaimExceedsBalance());

        ChannelConfig calldata config = row.voucher.channel;
        bytes32 digest = ChannelHashes.voucher(domain, id, row.voucher.maxClaimableAmount);
        if (config.payerAuthorizer == address(0)) _requireSignedBy(config.payer, digest, row.signature);
        else require(ECDSA.recoverCalldata(digest, row.signature) == config.payerAuthorizer, InvalidSignature());

        uint128 amount = newTotal - channel.totalClaimed;
        channels[id].totalClaimed = newTotal;
        receivers[config.receiver][config.token].totalClaimed += amount;
        emit Claimed(id, msg.sender, amount, newTotal);
    }

    function _refund(bytes32 id, ChannelConfig calldata config, uint128 requested) private {
        require(requested > 0, ZeroRefund());
        ++refundNonce[id];
        uint128 amount = _least(requested, _available(id));
        if (amount == 0) return;

        channels[id].balance -= amount;
        uint128 pending = pendingWithdrawals[id].amount;
        if (pending > amount) pendingWithdrawals[id].amount = pending - amount;
        else if (pending > 0) delete pendingWithdrawals[id];
        emit Refunded(id, msg.sender, amount);
        _payBack(id, config, amount);
    }

    /// @dev The last step of a refund and of a withdrawal; the channel's state is final before the token is called.
    function _payBack(bytes32 id, ChannelConfig calldata config, uint128 amount) private {
        Channel memory channel = channels[id];
        if (channel.balance == 0 && channel.totalClaimed == 0) emit ChannelClosed(id, config);
        if (amount > 0) IERC20(config.token).safeTransfer(config.payer, amount);
    }

    function _channelIds(
        bytes32 domain,
        VoucherClaim[] calldata voucherClaims
    ) private pure returns (bytes32[] memory ids) {
        ids = new bytes32[](voucherClaims.length);
        for (uint256 i; i < ids.length; ++i) ids[i] = ChannelHashes.channelId(domain, voucherClaims[i].voucher.channel);
    }

    /// @dev What the payer can take back. The difference cannot underflow: a channel never holds less than was claimed.
    function _available(bytes32 id) private view returns (uint128) {
        return channels[id].balance - channels[id].totalClaimed;
    }

    function _requireSignedBy(address signer, bytes32 digest, bytes calldata signature) private view {
        require(ChannelSignatures.isValid(signer, digest, signature), InvalidSignature());
    }

    function _isPayerSide(ChannelConfig calldata config) private view returns (bool) {
        return msg.sender == config.payer || msg.sender == config.payerAuthorizer;
    }

    function _isReceiverSide(ChannelConfig calldata config) private view returns (bool) {
        return msg.sender == config.receiver || msg.sender == config.receiverAuthorizer;
    }

    function _requireValid(ChannelConfig calldata config) private pure {
        bool complete =
            config.payer != address(0) &&
                config.receiver != address(0) &&
                config.receiverAuthorizer != address(0) &&
                config.token != address(0);
        require(complete, InvalidChannel());
        require(
            config.withdrawDelay >= MIN_WITHDRAW_DELAY && config.withdrawDelay <= MAX_WITHDRAW_DELAY,
            WithdrawDelayOutOfRange()
        );
    }

    function _least(uint128 a, uint128 b) private pure returns (uint128) {
        return a < b ? a : b;
    }
}

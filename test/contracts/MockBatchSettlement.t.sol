// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {FiatProxy} from "../../contracts/mocks/FiatProxy.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {IBatchSettlement} from "../../contracts/mocks/channels/IBatchSettlement.sol";
import {MockBatchSettlement} from "../../contracts/mocks/channels/MockBatchSettlement.sol";
import {MockDepositCollector} from "../../contracts/mocks/channels/MockDepositCollector.sol";
import {vm} from "./support/Vm.sol";

IBatchSettlement constant settlement = IBatchSettlement(0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003);
MockDepositCollector constant collector = MockDepositCollector(0x4020806089470a89826cB9fB1f4059150b550004);

/// @title ChannelsHandler
/// @notice Deposits, claims (good, excessive, stolen and repeated vouchers), sweeps, refunds, withdraws and lets time pass at
/// random, on six channels of three payers and two receivers, and keeps its own books.
contract ChannelsHandler {
    uint256 public constant CHANNELS = 6;
    uint256 public constant PAYERS = 3;
    uint256 public constant RECEIVERS = 2;
    uint256 private constant AUTHORIZER_KEY = 500;

    MockUSDC public immutable usdc;

    /// @notice A total over each channel's life.
    mapping(uint256 channel => uint256) public deposited;
    /// @notice See `deposited`.
    mapping(uint256 channel => uint256) public paidBack;
    /// @notice See `deposited`.
    mapping(uint256 channel => uint256) public refunds;
    /// @notice The highest amount of a voucher that the payer's side signed.
    mapping(uint256 channel => uint256) public ceiling;
    /// @notice How often each kind of action succeeded, so that a test can check that all of them do.
    mapping(bytes32 action => uint256) public successes;
    /// @notice The first thing that went wrong; empty if nothing did.
    string public broken;

    IBatchSettlement.VoucherClaim[] private _oldRows;
    uint256 private _authorizations;

    constructor(MockUSDC usdc_) {
        usdc = usdc_;
    }

    /* ACTIONS */

    /// @notice A deposit of a part of what the payer has.
    function deposit(uint256 index, uint128 amount) external {
        index %= CHANNELS;
        IBatchSettlement.ChannelConfig memory config = configOf(index);
        amount = uint128(amount % (usdc.balanceOf(config.payer) + 2));
        bytes memory data = _authorizeDeposit(index, amount);
        try settlement.deposit(config, amount, address(collector), data) {
            deposited[index] += amount;
            ++successes["deposit"];
        } catch {}
    }

    /// @notice A claim of one to four rows.
    function claim(uint256 seed, bool signed) external {
        IBatchSettlement.VoucherClaim[] memory rows = new IBatchSettlement.VoucherClaim[](1 + (seed % 4));
        for (uint256 i; i < rows.length; ++i) {
            seed = uint256(keccak256(abi.encode(seed)));
            bool old = seed % 4 == 0 && _oldRows.length > 0;
            rows[i] = old ? _oldRows[(seed >> 8) % _oldRows.length] : _row(seed >> 8);
        }
        bytes32 digest = settlement.getClaimBatchDigest(rows);
        // One in eight is signed, or called, by somebody else.
        uint256 signer = seed % 8 == 0 ? 1 : AUTHORIZER_KEY;
        bytes memory signature = _sign(signer, digest);
        bool success;
        if (!signed) vm.prank(vm.addr(signer));
        if (signed)
            try settlement.claimWithSignature(rows, signature) {
                success = true;
            } catch {}
        else
            try settlement.claim(rows) {
                success = true;
            } catch {}
        if (!success) return;
        ++successes["claim"];
        if (signer != AUTHORIZER_KEY) _break("claimed without the receiver's side");
        for (uint256 i; i < rows.length; ++i) {
            _oldRows.push(rows[i]);
            (, uint128 claimed) = settlement.channels(settlement.getChannelId(rows[i].voucher.channel));
            if (claimed < rows[i].totalClaimed) _break("claimed less than a row said");
        }
    }

    /// @notice Anyone sweeps for a receiver.
    function settle(uint256 index) external {
        settlement.settle(receiverOf(index % RECEIVERS), address(usdc));
        ++successes["settle"];
    }

    /// @notice A refund, called or signed.
    function refund(uint256 index, uint128 amount, bool signed) public {
        index %= CHANNELS;
        IBatchSettlement.ChannelConfig memory config = configOf(index);
        bytes32 id = settlement.getChannelId(config);
        amount = uint128(amount % 3_000);
        uint256 nonce = settlement.refundNonce(id);
        bytes memory signature = _sign(AUTHORIZER_KEY, settlement.getRefundDigest(id, nonce, amount));
        uint256 before = usdc.balanceOf(config.payer);
        if (!signed) vm.prank(config.receiver);
        if (signed)
            try settlement.refundWithSignature(config, amount, nonce, signature) {} catch {
                return;
            }
        else
            try settlement.refund(config, amount) {} catch {
                return;
            }
        paidBack[index] += usdc.balanceOf(config.payer) - before;
        ++refunds[index];
        ++successes["refund"];
        try settlement.refundWithSignature(config, amount, nonce, signature) {
            _break("refunded twice under one nonce");
        } catch {}
    }

    /// @notice The payer's side announces a withdrawal.
    function initiateWithdraw(uint256 index, uint128 amount) external {
        IBatchSettlement.ChannelConfig memory config = configOf(index % CHANNELS);
        amount = uint128(amount % 3_000);
        vm.prank(config.payer);
        try settlement.initiateWithdraw(config, amount) {
            ++successes["initiate"];
        } catch {}
    }

    /// @notice The payer's side finalizes its withdrawal, in time or too early.
    function finalizeWithdraw(uint256 index) public {
        index %= CHANNELS;
        IBatchSettlement.ChannelConfig memory config = configOf(index);
        (uint128 announced, uint40 since) = settlement.pendingWithdrawals(settlement.getChannelId(config));
        uint256 before = usdc.balanceOf(config.payer);
        vm.prank(config.payer);
        try settlement.finalizeWithdraw(config) {
            uint256 paid = usdc.balanceOf(config.payer) - before;
            if (since == 0 || block.timestamp < since + config.withdrawDelay) _break("withdrawn too early");
            if (paid > announced) _break("withdrawn more than announced");
            paidBack[index] += paid;
            ++successes["finalize"];
        } catch {}
    }

    /// @notice A withdrawal of everything against a claim of a part, and half of the time a refund of another part.
    function race(uint256 index, uint128 claimed) external {
        index %= CHANNELS;
        IBatchSettlement.VoucherClaim[] memory rows = new IBatchSettlement.VoucherClaim[](1);
        rows[0].voucher.channel = configOf(index);
        bytes32 id = settlement.getChannelId(rows[0].voucher.channel);
        (uint128 balance, uint128 before) = settlement.channels(id);
        vm.prank(rows[0].voucher.channel.payer);
        try settlement.initiateWithdraw(rows[0].voucher.channel, balance - before) {} catch {
            return;
        }
        rows[0].totalClaimed = before + (claimed % (balance - before + 1));
        rows[0].voucher.maxClaimableAmount = rows[0].totalClaimed;
        rows[0].signature = _sign(voucherKey(index), settlement.getVoucherDigest(id, rows[0].totalClaimed));
        if (rows[0].totalClaimed > ceiling[index]) ceiling[index] = rows[0].totalClaimed;
        settlement.claimWithSignature(rows, _sign(AUTHORIZER_KEY, settlement.getClaimBatchDigest(rows)));
        if (claimed % 2 == 0) refund(index, claimed, true);
        vm.warp(block.timestamp + 900);
        finalizeWithdraw(index);
    }

    /// @notice Time passes: often less than the delay.
    function wait(uint16 time) external {
        vm.warp(block.timestamp + (time % 1_200));
    }

    /* CHANNELS */

    /// @notice Channel `index`. Its payer, its receiver and whether it has a payer authorizer follow from the index.
    function configOf(uint256 index) public view returns (IBatchSettlement.ChannelConfig memory) {
        return
            IBatchSettlement.ChannelConfig({
                payer: vm.addr(payerKey(index)),
                payerAuthorizer: index < PAYERS ? address(0) : vm.addr(voucherKey(index)),
                receiver: receiverOf(index % RECEIVERS),
                receiverAuthorizer: vm.addr(AUTHORIZER_KEY),
                token: address(usdc),
                withdrawDelay: 900,
                salt: bytes32(0)
            });
    }

    /// @notice The key of channel `index`'s payer.
    function payerKey(uint256 index) public pure returns (uint256) {
        return 100 + (index % PAYERS);
    }

    /// @notice The key that signs channel `index`'s vouchers.
    function voucherKey(uint256 index) public pure returns (uint256) {
        return index < PAYERS ? payerKey(index) : 200 + index;
    }

    /// @notice Receiver `index`.
    function receiverOf(uint256 index) public pure returns (address) {
        return vm.addr(300 + index);
    }

    /* INTERNALS */

    /// @dev A row under a new voucher: one in eight is signed by somebody else, one in eight exceeds its ceiling.
    function _row(uint256 seed) private returns (IBatchSettlement.VoucherClaim memory row) {
        uint256 index = seed % CHANNELS;
        row.voucher.channel = configOf(index);
        row.voucher.maxClaimableAmount = uint128((seed >> 16) % 3_000);
        row.totalClaimed = uint128((seed >> 48) % (uint256(row.voucher.maxClaimableAmount) + 1));
        if ((seed >> 80) % 8 == 0) row.totalClaimed = row.voucher.maxClaimableAmount + 1;
        bool genuine = (seed >> 88) % 8 > 0;
        bytes32 id = settlement.getChannelId(row.voucher.channel);
        bytes32 digest = settlement.getVoucherDigest(id, row.voucher.maxClaimableAmount);
        row.signature = _sign(genuine ? voucherKey(index) : AUTHORIZER_KEY, digest);
        if (genuine && row.voucher.maxClaimableAmount > ceiling[index]) {
            ceiling[index] = row.voucher.maxClaimableAmount;
        }
    }

    function _authorizeDeposit(uint256 index, uint256 amount) private returns (bytes memory) {
        IBatchSettlement.ChannelConfig memory config = configOf(index);
        uint256 salt = ++_authorizations;
        bytes32 structHash = keccak256(
            abi.encode(
                usdc.RECEIVE_WITH_AUTHORIZATION_TYPEHASH(),
                config.payer,
                address(collector),
                amount,
                0,
                type(uint256).max,
                keccak256(abi.encode(settlement.getChannelId(config), salt))
            )
        );
        bytes32 digest = keccak256(abi.encodePacked(hex"1901", usdc.DOMAIN_SEPARATOR(), structHash));
        return abi.encode(uint256(0), type(uint256).max, salt, _sign(payerKey(index), digest));
    }

    function _sign(uint256 key, bytes32 digest) private pure returns (bytes memory) {
        (uint8 v, bytes32 r, bytes32 s) = vm.sign(key, digest);
        return abi.encodePacked(r, s, v);
    }

    function _break(string memory what) private {
        if (bytes(broken).length == 0) broken = what;
    }
}

/// @title MockBatchSettlementInvariantTest
/// @notice What holds after any sequence of actions, races between claims, refunds and withdrawals included.
contract MockBatchSettlementInvariantTest {
    uint256 private constant FUNDS = 10_000;

    MockUSDC private _usdc;
    ChannelsHandler private _handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        vm.etch(address(settlement), address(new MockBatchSettlement()).code);
        vm.etch(address(collector), address(new MockDepositCollector()).code);
        _usdc = MockUSDC(address(new FiatProxy(address(new MockUSDC()), address(0))));
        _usdc.initialize("USDC", "USDC", "USD", 6, address(this), address(this), address(this), address(this));
        _usdc.configureMinter(address(this), type(uint128).max);
        _handler = new ChannelsHandler(_usdc);
        for (uint256 i; i < _handler.PAYERS(); ++i) _usdc.mint(vm.addr(_handler.payerKey(i)), FUNDS);
    }

    /// @dev The test runner asks for the contract whose functions it calls.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_nothingWentWrong() external view {
        require(bytes(_handler.broken()).length == 0, _handler.broken());
    }

    /// @dev Exactly enough for everybody, since every unit that comes in belongs to somebody.
    function invariant_holdsWhatItOwes() external view {
        uint256 owed;
        for (uint256 i; i < _handler.CHANNELS(); ++i) {
            (uint128 balance, uint128 claimed) = _channel(i);
            owed += balance - claimed;
        }
        for (uint256 i; i < _handler.RECEIVERS(); ++i) {
            (uint128 claimed, uint128 settled) = settlement.receivers(_handler.receiverOf(i), address(_usdc));
            require(settled <= claimed, "swept more than was claimed");
            owed += claimed - settled;
        }
        require(_usdc.balanceOf(address(settlement)) == owed, "owes more or less than it holds");
        require(_usdc.balanceOf(address(collector)) == 0, "the collector keeps tokens");
    }

    function invariant_claimsStayWithinDepositsAndVouchers() external view {
        for (uint256 i; i < _handler.CHANNELS(); ++i) {
            (uint128 balance, uint128 claimed) = _channel(i);
            require(claimed <= balance, "claimed more than it holds");
            require(claimed <= _handler.ceiling(i), "claimed more than was signed");
            require(
                balance == _handler.deposited(i) - _handler.paidBack(i),
                "not what was deposited less what went back"
            );
        }
    }

    function invariant_eachUnitIsClaimedOnce() external view {
        for (uint256 r; r < _handler.RECEIVERS(); ++r) {
            address receiver = _handler.receiverOf(r);
            uint256 sum;
            for (uint256 i; i < _handler.CHANNELS(); ++i) {
                (, uint128 claimed) = _channel(i);
                if (_handler.configOf(i).receiver == receiver) sum += claimed;
            }
            (uint128 total, uint128 settled) = settlement.receivers(receiver, address(_usdc));
            require(total == sum, "a receiver's claims are not those of its channels");
            require(_usdc.balanceOf(receiver) == settled, "a receiver got more or less than was swept");
        }
    }

    function invariant_withdrawalsAndRefundsAreCounted() external view {
        for (uint256 i; i < _handler.CHANNELS(); ++i) {
            bytes32 id = settlement.getChannelId(_handler.configOf(i));
            (uint128 amount, uint40 since) = settlement.pendingWithdrawals(id);
            require((amount == 0) == (since == 0), "half a withdrawal");
            require(settlement.refundNonce(id) == _handler.refunds(i), "a refund without its nonce, or the reverse");
        }
    }

    /// @dev The handler succeeds with every kind of action; otherwise the invariants would prove little.
    function test_handlerDoesEverything() external {
        for (uint256 i; i < 60; ++i) {
            uint256 seed = uint256(keccak256(abi.encode(i)));
            _handler.deposit(seed, uint128(seed >> 8));
            _handler.claim(seed, seed % 2 == 0);
            _handler.settle(seed);
            if (seed % 3 == 0) _handler.refund(seed, uint128(seed >> 8), seed % 2 == 0);
            _handler.initiateWithdraw(seed, uint128(seed >> 8) % 300);
            _handler.wait(uint16(seed >> 16));
            _handler.finalizeWithdraw(seed >> 3);
        }
        require(bytes(_handler.broken()).length == 0, _handler.broken());
        bytes32[6] memory actions = [bytes32("deposit"), "claim", "settle", "refund", "initiate", "finalize"];
        for (uint256 i; i < actions.length; ++i) {
            require(_handler.successes(actions[i]) > 3, "a kind of action hardly ever gets through");
        }
    }

    function _channel(uint256 index) private view returns (uint128 balance, uint128 claimed) {
        return settlement.channels(settlement.getChannelId(_handler.configOf(index)));
    }
}

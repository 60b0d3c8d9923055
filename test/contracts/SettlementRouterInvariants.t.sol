// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SettlementRouter} from "../../contracts/SettlementRouter.sol";
import {FiatProxy} from "../../contracts/mocks/FiatProxy.sol";
import {MockUSDC} from "../../contracts/mocks/MockUSDC.sol";
import {Batches} from "./support/Batches.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @title RouterHandler
/// @notice Signs, settles, resubmits, cancels, blocks, drains and lets time pass at random, and keeps its own books.
/// @dev Each settlement is checked at once: answer, events and the token's state must agree.
contract RouterHandler {
    struct Signed {
        Batches.Terms terms;
        uint8 v;
        bytes32 r;
        bytes32 s;
    }

    uint256 private constant PAYERS = 4;
    uint256 private constant MOST_ITEMS = 10;
    bytes32 private constant USED = keccak256("AuthorizationUsed(address,bytes32)");
    bytes32 private constant FAILED = keccak256("AuthorizationFailed(uint256,address,bytes32,bytes)");
    bytes32 private constant SETTLED = keccak256("BatchSettled(address,bytes32,uint256,uint256)");

    SettlementRouter public immutable router;
    MockUSDC public immutable usdc;

    /// @notice Accounts that only ever receive through the router.
    address[] public payees;
    /// @notice What the payers have signed for each payee.
    mapping(address payee => uint256) public signedFor;
    /// @notice What each payee should have received: the items that no bitmap reported as failed.
    mapping(address payee => uint256) public settledFor;
    /// @notice How often each identity was settled.
    mapping(address payer => mapping(bytes32 nonce => uint256)) public settlements;
    /// @notice Items that settled and items that failed, over all batches.
    uint256 public settledCount;
    /// @notice See `settledCount`.
    uint256 public failedCount;

    /// @notice Why a check failed: the revert data, empty if none did.
    bytes public broken;

    Signed[] private _signed;
    uint256 private _state;

    constructor(SettlementRouter router_, MockUSDC usdc_) {
        router = router_;
        usdc = usdc_;
        for (uint256 i; i < 3; ++i) payees.push(address(uint160(0xbeef00 + i)));
    }

    // --- Actions ---

    /// @notice Settles a batch of new authorizations, good and bad, and of old ones.
    function settle(uint256 seed, bool shortOfGas) external {
        _check(abi.encodeCall(this.settleNow, (seed, shortOfGas)));
    }

    /// @notice Settles the same authorization several times in one batch.
    function settleOneManyTimes(uint256 seed) external {
        _check(abi.encodeCall(this.settleOneManyTimesNow, (seed)));
    }

    /// @dev The runner forgets actions that revert, so a failed check is recorded.
    function _check(bytes memory action) private {
        (bool success, bytes memory reason) = address(this).call(action);
        if (!success) broken = reason;
    }

    function settleNow(uint256 seed, bool shortOfGas) external {
        require(msg.sender == address(this), "an action's inner part");
        _state = seed;
        uint256 itemCount = 1 + (_random() % MOST_ITEMS);
        Signed[] memory items = new Signed[](itemCount);
        bytes memory batch = Batches.header(payees, itemCount);
        for (uint256 i; i < itemCount; ++i) {
            items[i] = _signed.length > 0 && _random() % 4 == 0 ? _signed[_random() % _signed.length] : _sign();
            batch = bytes.concat(batch, _encode(items[i]));
        }
        _settle(items, batch, shortOfGas ? 150_000 + (_random() % 700_000) : 5_000_000);
    }

    function settleOneManyTimesNow(uint256 seed) external {
        require(msg.sender == address(this), "an action's inner part");
        _state = seed;
        uint256 itemCount = 2 + (_random() % 4);
        Signed[] memory items = new Signed[](itemCount);
        bytes memory batch = Batches.header(payees, itemCount);
        Signed memory one = _sign();
        for (uint256 i; i < itemCount; ++i) {
            items[i] = one;
            batch = bytes.concat(batch, _encode(one));
        }
        _settle(items, batch, 5_000_000);
    }

    /// @notice A payer moves their money away, or gets new money.
    function changeFunds(uint256 seed) external {
        address payer = vm.addr(1 + (seed % PAYERS));
        if (seed & 256 == 0) {
            usdc.mint(payer, seed % 5000);
        } else if (!usdc.isBlacklisted(payer)) {
            uint256 balance = usdc.balanceOf(payer);
            vm.prank(payer);
            usdc.transfer(address(this), balance / 2);
        }
    }

    /// @notice A payer is blocked, or unblocked.
    function changeBlocklist(uint256 seed) external {
        address payer = vm.addr(1 + (seed % PAYERS));
        if (usdc.isBlacklisted(payer)) usdc.unBlacklist(payer);
        else usdc.blacklist(payer);
    }

    /// @notice Time passes.
    function wait(uint16 time) external {
        vm.warp(block.timestamp + time);
    }

    // --- Settling and checking ---

    function _settle(Signed[] memory items, bytes memory batch, uint256 gas_) private {
        bool[] memory usedBefore = new bool[](items.length);
        for (uint256 i; i < items.length; ++i) usedBefore[i] = _isUsed(items[i]);

        vm.recordLogs();
        (uint256 attempted, bytes memory failures) = router.settle{gas: gas_}(
            address(usdc),
            bytes32(uint256(7)),
            100_000,
            batch
        );
        Vm.Log[] memory logs = vm.getRecordedLogs();

        require(failures.length == (attempted + 7) / 8, "bitmap of the wrong length");
        uint256 next;
        uint256 failed;
        for (uint256 i; i < items.length; ++i) {
            Batches.Terms memory t = items[i].terms;
            if (i >= attempted) {
                // An earlier item of this batch may have been the same one.
                require(_isUsed(items[i]) == (usedBefore[i] || settlements[t.from][t.nonce] > 0), "touched");
                continue;
            }
            if (uint8(failures[i / 8]) & (1 << (i % 8)) != 0) {
                ++failed;
                next = _expectFailure(logs, next, i, t);
            } else {
                require(!usedBefore[i] && _isUsed(items[i]), "settled, but the token's state says otherwise");
                next = _expectUse(logs, next, t);
                ++settlements[t.from][t.nonce];
                settledFor[payees[t.payee]] += t.value;
            }
        }
        require(next == logs.length - 1, "logs that no item accounts for");
        require(logs[next].topics[0] == SETTLED && logs[next].emitter == address(router), "no final event");
        require(
            keccak256(logs[next].data) == keccak256(abi.encode(attempted, failed)),
            "final event and answer differ"
        );
        settledCount += attempted - failed;
        failedCount += failed;
    }

    function _expectFailure(
        Vm.Log[] memory logs,
        uint256 next,
        uint256 index,
        Batches.Terms memory t
    ) private view returns (uint256) {
        // The runner also records logs of reverted calls, such as a used nonce before the balance turned out too low.
        if (logs[next].topics[0] == USED && logs[next].topics[2] == t.nonce) ++next;
        Vm.Log memory entry = logs[next];
        require(entry.emitter == address(router) && entry.topics[0] == FAILED, "a failure without an event");
        (uint256 eventIndex, bytes memory reason) = abi.decode(entry.data, (uint256, bytes));
        require(eventIndex == index && reason.length > 0, "wrong index or no reason");
        require(entry.topics[1] == bytes32(uint256(uint160(t.from))) && entry.topics[2] == t.nonce, "wrong identity");
        return next + 1;
    }

    /// @dev AuthorizationUsed and Transfer.
    function _expectUse(Vm.Log[] memory logs, uint256 next, Batches.Terms memory t) private view returns (uint256) {
        Vm.Log memory used = logs[next];
        require(used.emitter == address(usdc) && used.topics[0] == USED, "settled without AuthorizationUsed");
        require(used.topics[1] == bytes32(uint256(uint160(t.from))) && used.topics[2] == t.nonce, "wrong identity");
        Vm.Log memory moved = logs[next + 1];
        require(moved.topics[2] == bytes32(uint256(uint160(payees[t.payee]))), "wrong payee");
        require(keccak256(moved.data) == keccak256(abi.encode(t.value)), "wrong value");
        return next + 2;
    }

    // --- Authorizations ---

    function _sign() private returns (Signed memory signed) {
        uint256 key = 1 + (_random() % PAYERS);
        Batches.Terms memory t = signed.terms;
        t.from = vm.addr(key);
        t.payee = uint16(_random() % payees.length);
        t.value = _random() % 3000;
        t.validAfter = _random() % 8 == 0 ? block.timestamp + (_random() % 1000) : 0;
        t.validBefore = block.timestamp + (_random() % 100_000);
        t.nonce = bytes32(_random());
        bytes32 structHash = keccak256(
            abi.encode(
                usdc.TRANSFER_WITH_AUTHORIZATION_TYPEHASH(),
                t.from,
                payees[t.payee],
                t.value,
                t.validAfter,
                t.validBefore,
                t.nonce
            )
        );
        // One in eight is signed by somebody else.
        uint256 signer = _random() % 8 == 0 ? key + 1 : key;
        (signed.v, signed.r, signed.s) = vm.sign(
            signer,
            keccak256(abi.encodePacked("\x19\x01", usdc.DOMAIN_SEPARATOR(), structHash))
        );
        if (signer == key) signedFor[payees[t.payee]] += t.value;
        _signed.push(signed);
    }

    function _encode(Signed memory signed) private returns (bytes memory) {
        uint256 form = _random() % 3;
        if (form == 0) return Batches.compact(signed.terms, signed.v, signed.r, signed.s);
        bytes memory signature = abi.encodePacked(signed.r, signed.s, signed.v);
        return Batches.wide(signed.terms, form == 1, 100_000, signature);
    }

    function _isUsed(Signed memory signed) private view returns (bool) {
        return usdc.authorizationState(signed.terms.from, signed.terms.nonce);
    }

    function _random() private returns (uint256) {
        _state = uint256(keccak256(abi.encode(_state)));
        return _state;
    }
}

/// @title SettlementRouterInvariantsTest
/// @notice What holds after any sequence of settlements.
contract SettlementRouterInvariantsTest {
    SettlementRouter private _router;
    MockUSDC private _usdc;
    RouterHandler private _handler;

    function setUp() external {
        vm.warp(1_800_000_000);
        _router = new SettlementRouter();
        _usdc = MockUSDC(address(new FiatProxy(address(new MockUSDC()), address(1))));
        _handler = new RouterHandler(_router, _usdc);
        address handler = address(_handler);
        _usdc.initialize("USDC", "USDC", "USD", 6, address(this), handler, handler, handler);
        _usdc.configureMinter(handler, type(uint128).max);
        _usdc.configureMinter(address(this), type(uint128).max);
        for (uint256 key = 1; key <= 4; ++key) _usdc.mint(vm.addr(key), 10_000);
    }

    /// @dev The test runner asks for the contract whose functions it calls.
    function targetContracts() external view returns (address[] memory targets) {
        targets = new address[](1);
        targets[0] = address(_handler);
    }

    function invariant_answerEventsAndStateAgree() external view {
        require(_handler.broken().length == 0, string(_handler.broken()));
    }

    function invariant_routerHoldsNothing() external view {
        require(_usdc.balanceOf(address(_router)) == 0, "the router holds tokens");
        require(address(_router).balance == 0, "the router holds ether");
        for (uint256 key = 1; key <= 4; ++key) {
            require(_usdc.allowance(vm.addr(key), address(_router)) == 0, "the router may spend");
            require(_usdc.allowance(address(_router), vm.addr(key)) == 0, "somebody may spend for the router");
        }
    }

    function invariant_payeesGetWhatWasSigned() external view {
        for (uint256 i; i < 3; ++i) {
            address payee = _handler.payees(i);
            uint256 balance = _usdc.balanceOf(payee);
            require(balance <= _handler.signedFor(payee), "more than was signed");
            require(balance == _handler.settledFor(payee), "not what the bitmaps said");
        }
    }

    function invariant_supplyIsConserved() external view {
        uint256 sum = _usdc.balanceOf(address(_handler));
        for (uint256 key = 1; key <= 4; ++key) sum += _usdc.balanceOf(vm.addr(key));
        for (uint256 i; i < 3; ++i) sum += _usdc.balanceOf(_handler.payees(i));
        require(sum == _usdc.totalSupply(), "units came or went");
    }

    /// @dev The handler reaches every kind of outcome; otherwise the invariants would prove little.
    function test_handlerSettlesAndFails() external {
        for (uint256 i; i < 20; ++i) _handler.settle(i, i % 2 == 0);
        _handler.settleOneManyTimes(1);
        require(_handler.broken().length == 0, string(_handler.broken()));
        require(_handler.settledCount() > 20 && _handler.failedCount() > 20, "too few of one kind");
    }
}

// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SettlementRouter} from "../../contracts/SettlementRouter.sol";
import {Batches} from "./support/Batches.sol";
import {GreedyToken} from "./support/GreedyToken.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @dev The router with its reserve exposed.
contract OpenRouter is SettlementRouter {
    function reserveGas() external pure returns (uint256) {
        return RESERVE_GAS;
    }
}

/// @title SettlementRouterReserveTest
/// @notice The router keeps its reserve: whatever gas it is given and whatever its items do with theirs, it never runs out
/// itself once an item has started, and every item that started had its whole allowance.
contract SettlementRouterReserveTest {
    struct Outcome {
        bool success;
        bytes answer;
        uint256 gasUsed;
        uint256 attempted;
        bytes failures;
    }

    uint256 private constant ALLOWANCE = 30_000;
    uint256 private constant MOST_ITEMS = 65_535;
    /// @dev More than any batch here uses.
    uint256 private constant PLENTY = 2_000_000;

    OpenRouter private immutable _router = new OpenRouter();
    GreedyToken private immutable _token = new GreedyToken();

    /// @notice Less than a third of the reserve would be left: gas schedules change, and the router does not.
    error LittleToSpare(uint256 need, uint256 reserve);

    // --- The measured need ---

    function test_needOfACompactItem() external {
        _checkNeed(_batch(MOST_ITEMS, _repeat(_compactItem(1), 100), ""));
    }

    function test_needOfAWideItem() external {
        _checkNeed(_batch(MOST_ITEMS, _wideItem(1, 8192), _repeat(_compactItem(1), 100)));
    }

    function test_needOfASmallBatch() external {
        _checkNeed(_batch(2, _compactItem(1), _compactItem(1)));
    }

    /// @dev The largest batch that the format can count: the whole bitmap goes into the answer.
    function test_needOfTheLastOfTheMostItems() external {
        bytes memory items = _repeat(_compactItem(0), MOST_ITEMS - 1);
        bytes memory data = _call(_batch(MOST_ITEMS, items, _wideItem(1, 8192)));
        uint256 most = _run(data, 200_000_000).gasUsed;
        // The first run pays for cold accounts.
        uint256 enough = _least(data, MOST_ITEMS, most - 10_000, most + 60_000);
        _checkSpare(_need(data, enough));
    }

    /// @dev At the least gas with which the first of these items starts, as much is left as should be.
    function _checkNeed(bytes memory batch) private {
        bytes memory data = _call(batch);
        _checkSpare(_need(data, _least(data, 1, 0, PLENTY)));
    }

    function _checkSpare(uint256 need) private view {
        if (need * 3 > _router.reserveGas() * 2) revert LittleToSpare(need, _router.reserveGas());
    }

    /// @dev How much of the reserved gas was used: `gas_` is the least with which the last item starts.
    function _need(bytes memory data, uint256 gas_) private returns (uint256) {
        Outcome memory o = _run(data, gas_);
        require(o.success, "ran out of gas");
        uint256 keptBack = ALLOWANCE / 63 + 1 + _router.reserveGas();
        return keptBack - (gas_ - o.gasUsed);
    }

    // --- Any gas ---

    function test_neverRunsOutOfGas() external {
        bytes memory items = bytes.concat(_compactItem(1), _wideItem(1, 8192), _compactItem(0), _wideItem(1, 100));
        bytes memory data = _call(_batch(5, items, _compactItem(1)));
        uint256 first = _least(data, 0, 0, PLENTY);
        uint256 all = _least(data, 5, first, PLENTY);
        for (uint256 gas_ = first; gas_ < all + 2000; gas_ += 61) _checkRun(data, gas_, 5);
        // In steps of one gas around the point where one more item starts.
        for (uint256 count = 1; count <= 5; ++count) {
            uint256 least = _least(data, count, first, PLENTY);
            require(_run(data, least - 1).attempted == count - 1, "one item more or less");
            for (uint256 gas_ = least - 70; gas_ < least + 70; ++gas_) _checkRun(data, gas_, 5);
        }
    }

    function testFuzz_neverRunsOutOfGas(uint256 seed, uint256 gas_) external {
        uint256 count = 1 + (seed % 9);
        bytes memory items;
        for (uint256 i; i < count - 1; ++i)
            items = bytes.concat(items, _randomItem(uint256(keccak256(abi.encode(seed, i)))));
        bytes memory data = _call(_batch(count, items, _randomItem(seed)));
        uint256 first = _least(data, 0, 0, PLENTY);
        _checkRun(data, first + (gas_ % (PLENTY - first)), count);
    }

    function _randomItem(uint256 seed) private pure returns (bytes memory) {
        uint256 nonce = seed >> 8;
        return seed & 1 == 0 ? _compactItem(nonce) : _wideItem(nonce, (seed >> 16) % 8193);
    }

    /// @dev `gas_` must be enough to attempt nothing.
    function _checkRun(bytes memory data, uint256 gas_, uint256 itemCount) private {
        vm.recordLogs();
        Outcome memory o = _run(data, gas_);
        Vm.Log[] memory logs = vm.getRecordedLogs();

        require(o.success, "the router ran out of gas");
        require(o.attempted <= itemCount, "more attempted than there are");
        require(o.failures.length == (o.attempted + 7) / 8, "the bitmap is not cut to the attempted items");
        uint256 failed;
        for (uint256 i; i < o.failures.length * 8; ++i) {
            if (uint8(o.failures[i / 8]) & (1 << (i % 8)) != 0) ++failed;
        }
        require(logs.length == failed + 1, "logs and bitmap differ");
        for (uint256 i; i < failed; ++i) {
            (, bytes memory reason) = abi.decode(logs[i].data, (uint256, bytes));
            // An item that got less than its allowance would have seen less than this at its entry.
            require(reason.length == 256, "a greedy item came to no end");
            (uint256 gasAtEntry, uint256 gasAtEnd) = abi.decode(reason, (uint256, uint256));
            require(gasAtEntry <= ALLOWANCE && gasAtEntry >= ALLOWANCE - 100, "less than its allowance");
            require(gasAtEnd <= 120, "the token was not greedy");
        }
        (uint256 attempted, uint256 failedInEvent) = abi.decode(logs[failed].data, (uint256, uint256));
        require(attempted == o.attempted && failedInEvent == failed, "event and answer differ");
    }

    // --- Helpers ---

    /// @dev The least gas with which at least `count` items are attempted, between `low` (too little) and `high` (enough).
    function _least(bytes memory data, uint256 count, uint256 low, uint256 high) private returns (uint256) {
        while (high - low > 1) {
            uint256 middle = (low + high) / 2;
            Outcome memory o = _run(data, middle);
            if (o.success && o.attempted >= count) high = middle;
            else low = middle;
        }
        return high;
    }

    function _run(bytes memory data, uint256 gas_) private returns (Outcome memory o) {
        address router = address(_router);
        bool success;
        uint256 gasUsed;
        assembly ("memory-safe") {
            let before := gas()
            success := call(gas_, router, 0, add(data, 0x20), mload(data), 0, 0)
            gasUsed := sub(before, gas())
        }
        o.success = success;
        // The call itself, at a warm address, and the code around it here.
        o.gasUsed = gasUsed - 100;
        bytes memory answer = new bytes(_returnDataSize());
        assembly ("memory-safe") {
            returndatacopy(add(answer, 0x20), 0, returndatasize())
        }
        o.answer = answer;
        if (success) (o.attempted, o.failures) = abi.decode(answer, (uint256, bytes));
    }

    function _returnDataSize() private pure returns (uint256 size) {
        assembly ("memory-safe") {
            size := returndatasize()
        }
    }

    /// @dev `item`, `count` times. By doubling, because the largest has nine million bytes.
    function _repeat(bytes memory item, uint256 count) private pure returns (bytes memory items) {
        items = new bytes(item.length * count);
        for (uint256 i; i < item.length; ++i) items[i] = item[i];
        uint256 done = item.length;
        while (done < items.length) {
            uint256 size = items.length - done < done ? items.length - done : done;
            assembly ("memory-safe") {
                let start := add(items, 0x20)
                mcopy(add(start, done), start, size)
            }
            done += size;
        }
    }

    function _call(bytes memory batch) private view returns (bytes memory) {
        return abi.encodeCall(_router.settle, (address(_token), bytes32(0), ALLOWANCE, batch));
    }

    function _batch(uint256 itemCount, bytes memory items, bytes memory last) private pure returns (bytes memory) {
        address[] memory payees = new address[](1);
        return bytes.concat(Batches.header(payees, itemCount), items, last);
    }

    function _compactItem(uint256 nonce) private pure returns (bytes memory) {
        return Batches.compact(_terms(nonce), 27, 0, 0);
    }

    function _wideItem(uint256 nonce, uint256 signatureLength) private pure returns (bytes memory) {
        return Batches.wide(_terms(nonce), false, uint32(ALLOWANCE), new bytes(signatureLength));
    }

    function _terms(uint256 nonce) private pure returns (Batches.Terms memory t) {
        t.nonce = bytes32(nonce);
    }
}

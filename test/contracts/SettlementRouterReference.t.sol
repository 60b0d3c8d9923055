// SPDX-License-Identifier: MIT
pragma solidity 0.8.37;

import {SettlementRouter} from "../../contracts/SettlementRouter.sol";
import {RecordingToken} from "../../contracts/mocks/hostile/RecordingToken.sol";
import {Batches} from "./support/Batches.sol";
import {ReferenceRouter} from "./support/ReferenceRouter.sol";
import {Vm, vm} from "./support/Vm.sol";

/// @title SettlementRouterReferenceTest
/// @notice The router against the reference implementation: same answer, same error, same logs, same calls of the token.
contract SettlementRouterReferenceTest {
    SettlementRouter private immutable _router = new SettlementRouter();
    ReferenceRouter private immutable _reference = new ReferenceRouter();
    RecordingToken private immutable _token = new RecordingToken();

    uint256 private _state;

    function testFuzz_wellFormedBatches(uint256 seed, bytes32 batchId, uint32 gasAllowance) external {
        _state = seed;
        bytes memory batch = _randomBatch();
        bool success = _compare(abi.encodeCall(_router.settle, (address(_token), batchId, gasAllowance, batch)));
        require(success, "a well-formed batch reverted");
    }

    function testFuzz_aByteChanged(uint256 seed, uint256 position, uint8 mask) external {
        _state = seed;
        bytes memory batch = _randomBatch();
        // Half of the changes hit the header or the first item, which decide the shape.
        uint256 offset =
            position %
                (
                    position & 1 == 0
                        ? batch.length
                        : 140 < batch.length
                            ? 140
                            : batch.length
                );
        batch[offset] ^= bytes1(mask);
        _compareBatch(batch);
    }

    function testFuzz_aBitOfAHeadFlipped(uint256 seed, uint8 bit) external {
        _state = seed;
        bytes memory batch = _randomBatch();
        uint256 payeeCount = uint8(batch[2]);
        uint256 offset = 5 + 20 * payeeCount + ((bit & 15) / 8);
        batch[offset] ^= bytes1(uint8(1 << (bit & 7)));
        _compareBatch(batch);
    }

    function testFuzz_cutShort(uint256 seed, uint256 length) external {
        _state = seed;
        bytes memory batch = _randomBatch();
        _compareBatch(_resize(batch, length % batch.length));
    }

    function testFuzz_bytesAppended(uint256 seed, uint16 count) external {
        _state = seed;
        bytes memory batch = _randomBatch();
        _compareBatch(_resize(batch, batch.length + 1 + (count % 300)));
    }

    function testFuzz_anyBytes(bytes calldata batch) external {
        _compareBatch(batch);
    }

    function testFuzz_anyBytesBehindAHeader(uint8 payeeCount, uint8 itemCount, bytes calldata rest) external {
        _compareBatch(abi.encodePacked(uint8(1), uint16(payeeCount % 4), uint16(itemCount % 8), rest));
    }

    /// @dev Calldata that no usual encoder writes: the batch may begin within the arguments, or end before its items.
    function testFuzz_anyCalldata(uint256 batchId, uint16 offset, bytes calldata rest) external {
        bytes memory arguments = abi.encode(address(_token), batchId % 1000, 50_000, uint256(offset) % 200);
        _compare(bytes.concat(_router.settle.selector, arguments, rest));
    }

    function testFuzz_anyTokenWithoutCode(address token, uint256 seed) external {
        vm.assume(token.code.length == 0);
        _state = seed;
        _compare(abi.encodeCall(_router.settle, (token, 0, 0, _randomBatch())));
    }

    function testFuzz_anyGasAllowance(uint256 gasAllowance, uint8 shift, uint256 seed) external {
        _state = seed;
        _compare(abi.encodeCall(_router.settle, (address(_token), 0, gasAllowance >> shift, _randomBatch())));
    }

    // --- Random batches ---

    function _random() private returns (uint256) {
        _state = uint256(keccak256(abi.encode(_state)));
        return _state;
    }

    function _randomBatch() private returns (bytes memory batch) {
        address[] memory payees = new address[](1 + (_random() % 4));
        for (uint256 i; i < payees.length; ++i) payees[i] = address(uint160(_random()));
        uint256 itemCount = 1 + (_random() % 20);
        batch = Batches.header(payees, itemCount);
        for (uint256 i; i < itemCount; ++i) batch = bytes.concat(batch, _randomItem(payees.length));
    }

    function _randomItem(uint256 payeeCount) private returns (bytes memory) {
        Batches.Terms memory t = Batches.Terms({
            from: address(uint160(_random())),
            payee: uint16(_random() % payeeCount),
            value: _random() >> (_random() & 0xff),
            validAfter: _random() >> (_random() & 0xff),
            validBefore: _random() >> (_random() & 0xff),
            nonce: bytes32(_random())
        });
        uint256 kind = _random() % 4;
        if (kind < 2) return Batches.compact(t, uint8(27 + kind), bytes32(_random()), bytes32(_random()));
        bool ecdsa = kind == 2;
        uint32 gasAllowance = uint32(_random() % 200_000);
        return Batches.wide(t, ecdsa, gasAllowance, _randomBytes(ecdsa ? 65 : _random() % 400));
    }

    function _randomBytes(uint256 length) private returns (bytes memory data) {
        while (data.length < length) data = bytes.concat(data, bytes32(_random()));
        return _resize(data, length);
    }

    function _resize(bytes memory data, uint256 length) private pure returns (bytes memory resized) {
        resized = new bytes(length);
        for (uint256 i; i < length && i < data.length; ++i) resized[i] = data[i];
    }

    // --- Comparing ---

    function _compareBatch(bytes memory batch) private {
        _compare(abi.encodeCall(_router.settle, (address(_token), bytes32("id"), 60_000, batch)));
    }

    function _compare(bytes memory data) private returns (bool success) {
        (bool expectedSuccess, bytes memory expected, Vm.Log[] memory expectedLogs) = _run(address(_reference), data);
        bytes memory answer;
        Vm.Log[] memory logs;
        (success, answer, logs) = _run(address(_router), data);

        require(success == expectedSuccess, "one reverted, the other did not");
        require(keccak256(answer) == keccak256(expected), "different answers");
        require(logs.length == expectedLogs.length, "different numbers of logs");
        for (uint256 i; i < logs.length; ++i) {
            address emitter =
                expectedLogs[i].emitter == address(_reference) ? address(_router) : expectedLogs[i].emitter;
            require(logs[i].emitter == emitter, "different emitters");
            require(
                keccak256(abi.encode(logs[i].topics)) == keccak256(abi.encode(expectedLogs[i].topics)),
                "different topics"
            );
            require(keccak256(_withoutGas(logs[i])) == keccak256(_withoutGas(expectedLogs[i])), "different log data");
        }
    }

    function _run(
        address router,
        bytes memory data
    ) private returns (bool success, bytes memory answer, Vm.Log[] memory logs) {
        vm.recordLogs();
        // The same gas for both, however much the first one burnt.
        (success, answer) = router.call{gas: 1e18}(data);
        logs = vm.getRecordedLogs();
    }

    /// @dev The token also records the gas at its entry, which only has to be enough.
    function _withoutGas(Vm.Log memory entry) private view returns (bytes memory) {
        if (entry.emitter != address(_token)) return entry.data;
        (, bytes memory data) = abi.decode(entry.data, (uint256, bytes));
        return data;
    }
}

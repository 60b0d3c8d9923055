import { expect } from "chai";
import fc from "fast-check";
import { type Address, type Hex, keccak256, numberToHex, size, type TransactionReceipt } from "viem";
import { MAX_TRANSACTION_GAS } from "../../../../src/gas/index.ts";
import type { PaymentRow } from "../../../../src/journal/ports/payments.ts";
import type { LogProof } from "../../../../src/journal/ports/work.ts";
import { composeCalls, packCalls, readCallOutcomes } from "../../../../src/settlement/dispatch/sharedCalls.ts";

const CONTRACT: Address = "0x4020074e9dF2ce1deE5A9C1b5c3f541D02a10003";
const word = (value: number | bigint): Hex => numberToHex(value, { size: 32 });

let ids = 0;
function callRow(call: { data?: Hex; gas?: bigint; proof?: LogProof } = {}): PaymentRow {
  ids += 1;
  const { data = "0x", gas = 100_000n, proof = { address: CONTRACT, topics: [] } } = call;
  return {
    id: ids,
    identity: `call:84532:${ids}`,
    digest: keccak256(numberToHex(ids)),
    work: { kind: "call", chainId: 84532, to: CONTRACT, data, gas, proof },
    deadlineSeconds: 2_000_000_000n,
    acceptedBlock: 1n,
    source: undefined,
    chainId: 84532,
    state: "queued",
    reason: undefined,
    evidence: { kind: "accepted", block: 1n },
    batchId: undefined,
    acceptedAtMs: 0,
    updatedAtMs: 0,
    tries: 0,
    nextTryAtMs: 0,
    consumedAtMs: undefined,
  };
}

function receiptOf(
  logs: readonly { address?: Address; topics: readonly Hex[]; data?: Hex }[],
  status: "success" | "reverted" = "success",
): TransactionReceipt {
  const full = logs.map((log, logIndex) => ({ address: CONTRACT, data: "0x", ...log, logIndex }));
  // Only what is read.
  return { status, logs: full } as unknown as TransactionReceipt;
}

describe("packCalls", () => {
  const bytes = fc
    .tuple(fc.integer({ min: 0, max: 6_000 }), fc.constantFrom("00", "ff", "a0"))
    .map(([length, byte]): Hex => `0x${byte.repeat(length)}`);
  const call = fc.record({ data: bytes, gas: fc.bigInt({ min: 21_000n, max: 2_000_000n }) });

  it("keeps every call, in order, and every transaction of several within the caps", () => {
    fc.assert(
      fc.property(
        fc.array(call, { maxLength: 60 }),
        fc.bigInt({ min: 300_000n, max: MAX_TRANSACTION_GAS }),
        fc.integer({ min: 10_000, max: 120_000 }),
        (calls, maxGasPerTransaction, maxCalldataBytes) => {
          const rows = calls.map(callRow);
          const packs = packCalls(rows, { maxGasPerTransaction, maxCalldataBytes });
          expect(packs.flat()).to.deep.equal(rows);
          for (const pack of packs.filter(({ length }) => length > 1)) {
            const { gas, data } = composeCalls(pack);
            expect(gas <= maxGasPerTransaction, `${gas} gas of ${maxGasPerTransaction}`).to.equal(true);
            expect(size(data)).to.be.at.most(maxCalldataBytes + 300);
          }
        },
      ),
    );
  });

  it("gives every call its gas, and keeps to a number of items", () => {
    const rows = Array.from({ length: 5 }, () => callRow());
    expect(packCalls(rows, {}, { items: 2 }).map(({ length }) => length)).to.deep.equal([2, 2, 1]);
    expect(packCalls(rows, {}).map(({ length }) => length)).to.deep.equal([5]);
    expect(composeCalls(rows).gas > 5n * 100_000n).to.equal(true);
    expect(packCalls([], {})).to.deep.equal([]);
  });

  it("lets no more strangers share, and no more gas of theirs, than they may burn", () => {
    const strange = (gas: bigint): PaymentRow => {
      const row = callRow();
      if (row.work.kind !== "call") throw new Error("no call");
      return { ...row, work: { ...row.work, gas, signers: ["0x00000000000000000000000000000000000000aa"] } };
    };
    const sizes = (rows: readonly PaymentRow[]) => packCalls(rows, {}, { strangers: 8 }).map(({ length }) => length);
    expect(sizes(Array.from({ length: 9 }, () => strange(190_000n)))).to.deep.equal([8, 1]);
    expect(sizes(Array.from({ length: 3 }, () => strange(1_000_000n)))).to.deep.equal([2, 1]);
    expect(sizes([strange(2_000_001n), callRow(), callRow()])).to.deep.equal([1, 2]);
    // Calls without strangers are no part of it.
    expect(sizes([...Array.from({ length: 12 }, () => callRow()), strange(100_000n)])).to.deep.equal([13]);
  });

  it("keeps to its share of a block", () => {
    const rows = Array.from({ length: 20 }, () => callRow());
    const packs = packCalls(rows, { blockGasLimit: 2_000_000n, blockShare: 0.5 });
    expect(packs.length).to.be.above(2);
    for (const pack of packs) expect(composeCalls(pack).gas <= 1_000_000n).to.equal(true);
  });
});

describe("composeCalls", () => {
  it("sends one by itself, with the gas of its transaction on top", () => {
    const row = callRow({ data: "0x00ff", gas: 50_000n });
    expect(composeCalls([row])).to.deep.include({ to: CONTRACT, data: "0x00ff", gas: 71_020n, router: undefined });
  });

  it("never asks for less than the calldata's floor", () => {
    const row = callRow({ data: `0x${"ff".repeat(10_000)}`, gas: 1_000n });
    expect(composeCalls([row]).gas).to.equal(421_000n);
  });
});

describe("readCallOutcomes", () => {
  const proof = (...topics: (Hex | null)[]): LogProof => ({ address: CONTRACT, topics });
  const statuses = (receipt: TransactionReceipt, rows: readonly PaymentRow[]) =>
    readCallOutcomes(receipt, rows).map((outcome) =>
      outcome.status === "settled" ? outcome.logIndex : outcome.status,
    );

  it("finds each call's own log, in whatever order", () => {
    const rows = [1, 2, 3].map((n) => callRow({ proof: proof(word(9), word(n)) }));
    const logs = [3, 1].map((n) => ({ topics: [word(9), word(n)] }));
    expect(statuses(receiptOf(logs), rows)).to.deep.equal([1, "unproven", 0]);
  });

  it("lets one log prove one call", () => {
    const rows = [1, 2].map(() => callRow({ proof: proof(word(9)) }));
    expect(statuses(receiptOf([{ topics: [word(9)] }]), rows)).to.deep.equal([0, "unproven"]);
  });

  it("compares the contract, every topic and the words of the data that are given", () => {
    const exact = { address: CONTRACT, topics: [word(9), null, word(2)], data: [null, word(7)] };
    const good = { topics: [word(9), word(1), word(2)], data: `0x${"00".repeat(32)}${word(7).slice(2)}` as Hex };
    const others = [
      { ...good, address: "0x0000000000000000000000000000000000000001" as Address },
      { ...good, topics: [word(9), word(1), word(3)] },
      { ...good, topics: [word(9), word(1)] },
      { ...good, data: `0x${"00".repeat(32)}${word(8).slice(2)}` as Hex },
      { ...good, data: `0x${"00".repeat(32)}` as Hex },
    ];
    const row = callRow({ proof: exact });
    expect(statuses(receiptOf([...others, good]), [row])).to.deep.equal([5]);
    expect(statuses(receiptOf(others), [row])).to.deep.equal(["unproven"]);
  });

  it("knows nothing of calls whose transaction reverted", () => {
    const rows = [callRow(), callRow()];
    expect(statuses(receiptOf([], "reverted"), rows)).to.deep.equal(["not-attempted", "not-attempted"]);
  });
});

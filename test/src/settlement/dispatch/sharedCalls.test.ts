import { expect } from "chai";
import fc from "fast-check";
import { type Hex, size } from "viem";
import { MAX_TRANSACTION_GAS } from "../../../../src/gas/index.ts";
import type { CallRow } from "../../../../src/journal/ports/payments.ts";
import { composeCalls, packCalls } from "../../../../src/settlement/dispatch/sharedCalls.ts";
import { CONTRACT, callRow } from "../../../helpers/callRows.ts";

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
    const strange = (gas: bigint): CallRow => {
      const row = callRow();
      return { ...row, work: { ...row.work, gas, signers: ["0x00000000000000000000000000000000000000aa"] } };
    };
    const sizes = (rows: readonly CallRow[]) => packCalls(rows, {}, { strangers: 8 }).map(({ length }) => length);
    expect(sizes(Array.from({ length: 9 }, () => strange(190_000n)))).to.deep.equal([8, 1]);
    expect(sizes(Array.from({ length: 3 }, () => strange(1_000_000n)))).to.deep.equal([2, 1]);
    expect(sizes([strange(2_000_001n), callRow(), callRow()])).to.deep.equal([1, 2]);
    // Calls without strangers do not count.
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
  it("sends a single one alone, with the gas of its transaction on top", () => {
    const row = callRow({ data: "0x00ff", gas: 50_000n });
    expect(composeCalls([row])).to.deep.include({ to: CONTRACT, data: "0x00ff", gas: 71_020n, router: undefined });
  });

  it("never asks for less than the calldata's floor", () => {
    const row = callRow({ data: `0x${"ff".repeat(10_000)}`, gas: 1_000n });
    expect(composeCalls([row]).gas).to.equal(421_000n);
  });
});

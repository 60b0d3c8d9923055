import { expect } from "chai";
import { type Address, type Hex, numberToHex, type TransactionReceipt } from "viem";
import type { CallRow } from "../../../../../src/journal/ports/payments.ts";
import type { LogProof } from "../../../../../src/journal/ports/work.ts";
import { readCallOutcomes } from "../../../../../src/settlement/outcome/receipts/callOutcomes.ts";
import { CONTRACT, callRow } from "../../../../helpers/callRows.ts";

const word = (value: number | bigint): Hex => numberToHex(value, { size: 32 });

function receiptOf(
  logs: readonly { address?: Address; topics: readonly Hex[]; data?: Hex }[],
  status: "success" | "reverted" = "success",
): TransactionReceipt {
  const full = logs.map((log, logIndex) => ({ address: CONTRACT, data: "0x", ...log, logIndex }));
  // Only the fields that are read.
  return { status, logs: full } as unknown as TransactionReceipt;
}

describe("readCallOutcomes", () => {
  const proof = (...topics: (Hex | null)[]): LogProof => ({ address: CONTRACT, topics });
  const statuses = (receipt: TransactionReceipt, rows: readonly CallRow[]) =>
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

  it("knows nothing about calls whose transaction reverted", () => {
    const rows = [callRow(), callRow()];
    expect(statuses(receiptOf([], "reverted"), rows)).to.deep.equal(["not-attempted", "not-attempted"]);
  });
});

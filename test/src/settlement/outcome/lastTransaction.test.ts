import { expect } from "chai";
import type { AuthorizationRow, BatchRow, Evidence, Journal } from "../../../../src/journal/index.ts";
import { lastTransaction } from "../../../../src/settlement/outcome/lastTransaction.ts";
import { attemptOf, batchOf, hashOf, paymentOf } from "../../journal/fixtures.ts";

const BATCH = hashOf("batch 7");

/** A payment that the first attempt of its batch settled. */
function rowOf(id: number, change: Partial<AuthorizationRow> = {}): AuthorizationRow {
  const evidence: Evidence = {
    kind: "transfer",
    transactionHash: hashOf("tx 7"),
    blockNumber: 11n,
    blockHash: hashOf("block 11"),
    logIndex: 20 + id,
    gasShare: 52_000n,
    feeShareWei: 1n,
    level: "included",
  };
  return {
    ...paymentOf(id),
    id,
    chainId: 84532,
    state: "settled",
    reason: undefined,
    reasonCount: undefined,
    evidence,
    batchId: BATCH,
    acceptedAtMs: 0,
    updatedAtMs: 0,
    tries: 1,
    nextTryAtMs: 0,
    consumedAtMs: undefined,
    ...change,
  };
}

describe("lastTransaction", () => {
  const { attempt, ...rest } = batchOf(7, [rowOf(1)]);
  const attempts = [attempt, attemptOf("7 again", [rowOf(1)])];
  const batch: BatchRow = { ...rest, state: "open", attempts, receipt: undefined, createdAtMs: 5 };
  const journal: Pick<Journal, "batch"> = { batch: async (id) => (id === BATCH ? batch : undefined) };
  const waiting: Partial<AuthorizationRow> = { state: "submitted", evidence: { kind: "request", by: "test" } };

  it("is the transaction that decided a payment, else the last one that it was sent in", async () => {
    expect(await lastTransaction(journal, rowOf(1))).to.equal(hashOf("tx 7"));
    expect(await lastTransaction(journal, rowOf(1, waiting))).to.equal(hashOf("tx 7 again"));
  });

  it("is undefined if a payment was never sent, or its batch is not known", async () => {
    expect(await lastTransaction(journal, rowOf(1, { ...waiting, batchId: undefined }))).to.equal(undefined);
    expect(await lastTransaction(journal, rowOf(1, { ...waiting, batchId: hashOf("another") }))).to.equal(undefined);
  });
});

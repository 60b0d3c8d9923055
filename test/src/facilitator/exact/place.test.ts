import { expect } from "chai";
import { createPlaces } from "../../../../src/facilitator/exact/place.ts";
import type { AuthorizationRow, BatchRow, Evidence, Journal } from "../../../../src/journal/index.ts";
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

function transferIn(transactionHash: `0x${string}`): Pick<AuthorizationRow, "evidence"> {
  return { evidence: { ...(rowOf(1).evidence as Evidence & { kind: "transfer" }), transactionHash } };
}

describe("createPlaces", () => {
  const rows = [rowOf(1), rowOf(2), rowOf(3)];
  let asked: string[];
  let fault: Error | undefined;
  const journal: Pick<Journal, "batch"> = {
    batch: async (id) => {
      asked.push(id);
      if (fault !== undefined) throw fault;
      return id === BATCH ? batch : undefined;
    },
  };
  const { attempt, ...rest } = batchOf(7, rows);
  // A replacement that dropped the first payment.
  const attempts = [attempt, attemptOf("7 again", rows.slice(1))];
  const batch: BatchRow = { ...rest, state: "mined", attempts, receipt: undefined, createdAtMs: 5 };
  beforeEach(() => {
    asked = [];
    fault = undefined;
  });

  it("says where a payment is in the attempt that was mined", async () => {
    const placeOf = createPlaces(journal);
    for (const [index, row] of rows.entries()) {
      expect(await placeOf(row)).to.deep.equal({
        ...{ id: BATCH, index, size: 3, logIndex: 20 + row.id },
        authorizationNonce: row.work.authorization.nonce,
      });
    }
    expect(await placeOf({ ...rows[1]!, ...transferIn(hashOf("tx 7 again")) })).to.include({ index: 0, size: 2 });
  });

  it("reads a batch once for all payments of one attempt", async () => {
    const placeOf = createPlaces(journal);
    await Promise.all(rows.map(placeOf));
    expect(asked).to.deep.equal([BATCH]);
  });

  it("reads it again if reading failed", async () => {
    const placeOf = createPlaces(journal);
    fault = new Error("busy");
    expect(await placeOf(rows[0]!).catch((error: unknown) => error)).to.equal(fault);
    fault = undefined;
    expect(await placeOf(rows[0]!)).to.include({ index: 0 });
    expect(asked).to.have.length(2);
  });

  it("has none for a payment that none of our batches settled", async () => {
    const placeOf = createPlaces(journal);
    const call = {
      kind: "call",
      chainId: 84532,
      to: hashOf(1).slice(0, 42) as `0x${string}`,
      data: "0x",
      gas: 1n,
    } as const;
    for (const change of [
      { batchId: undefined },
      { batchId: hashOf("another") },
      { work: call },
      transferIn(hashOf("somebody else's")),
      { evidence: { kind: "request", by: "test" } as const },
    ]) {
      expect(await placeOf({ ...rows[0]!, ...change })).to.equal(undefined);
    }
  });
});

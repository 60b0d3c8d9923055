import { expect } from "chai";
import { createPlaces } from "../../../../src/facilitator/exact/place.ts";
import type { AuthorizationRow, BatchRow, Evidence, Journal } from "../../../../src/journal/index.ts";
import { attemptOf, batchOf, hashOf, SETTLED_BATCH, settledRowOf } from "../../journal/fixtures.ts";

function transferIn(transactionHash: `0x${string}`): Pick<AuthorizationRow, "evidence"> {
  return { evidence: { ...(settledRowOf(1).evidence as Evidence & { kind: "transfer" }), transactionHash } };
}

describe("createPlaces", () => {
  const rows = [settledRowOf(1), settledRowOf(2), settledRowOf(3)];
  let asked: string[];
  let fault: Error | undefined;
  const journal: Pick<Journal, "batch"> = {
    batch: async (id) => {
      asked.push(id);
      if (fault !== undefined) throw fault;
      return id === SETTLED_BATCH ? batch : undefined;
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
        ...{ id: SETTLED_BATCH, index, size: 3, logIndex: 20 + row.id },
        authorizationNonce: row.work.authorization.nonce,
      });
    }
    expect(await placeOf({ ...rows[1]!, ...transferIn(hashOf("tx 7 again")) })).to.include({ index: 0, size: 2 });
  });

  it("reads a batch once for all payments of one attempt", async () => {
    const placeOf = createPlaces(journal);
    await Promise.all(rows.map(placeOf));
    expect(asked).to.deep.equal([SETTLED_BATCH]);
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

import { expect } from "chai";
import type { AuthorizationRow, BatchRow, Journal } from "../../../../src/journal/index.ts";
import { lastTransaction } from "../../../../src/settlement/outcome/lastTransaction.ts";
import { attemptOf, batchOf, hashOf, SETTLED_BATCH, settledRowOf } from "../../journal/fixtures.ts";

describe("lastTransaction", () => {
  const { attempt, ...rest } = batchOf(7, [settledRowOf(1)]);
  const attempts = [attempt, attemptOf("7 again", [settledRowOf(1)])];
  const batch: BatchRow = { ...rest, state: "open", attempts, receipt: undefined, createdAtMs: 5 };
  const journal: Pick<Journal, "batch"> = { batch: async (id) => (id === SETTLED_BATCH ? batch : undefined) };
  const waiting: Partial<AuthorizationRow> = { state: "submitted", evidence: { kind: "request", by: "test" } };

  it("is the transaction that decided a payment, else the last one that it was sent in", async () => {
    expect(await lastTransaction(journal, settledRowOf(1))).to.equal(hashOf("tx 7"));
    expect(await lastTransaction(journal, settledRowOf(1, waiting))).to.equal(hashOf("tx 7 again"));
  });

  it("is undefined if a payment was never sent, or its batch is not known", async () => {
    expect(await lastTransaction(journal, settledRowOf(1, { ...waiting, batchId: undefined }))).to.equal(undefined);
    expect(await lastTransaction(journal, settledRowOf(1, { ...waiting, batchId: hashOf("another") }))).to.equal(
      undefined,
    );
  });
});

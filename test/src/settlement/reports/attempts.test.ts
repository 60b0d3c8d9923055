import { expect } from "chai";
import { attemptsOf, type BatchRow, openJournal, readAttempts } from "../../../../src/settlement/index.ts";
import { acceptSeeds, attemptOf, batchOf, chainId, hashOf, lease, sender } from "../../journal/fixtures.ts";

describe("attemptsOf", () => {
  const batch = (change: Partial<BatchRow>): BatchRow => ({
    id: hashOf("batch"),
    chainId,
    sender,
    txNonce: 7,
    state: "open",
    attempts: ["a", "b", "c"].map((name) => attemptOf(name, [])),
    receipt: undefined,
    createdAtMs: 1,
    ...change,
  });
  const receipt = {
    hash: hashOf("tx b"),
    blockNumber: 9n,
    blockHash: hashOf("block"),
    succeeded: true,
    gasUsed: 5n,
    feeWei: 6n,
    dataFeeWei: 0n,
  };
  const fates = (change: Partial<BatchRow>) => attemptsOf(batch(change)).map(({ fate }) => fate);

  it("says which may still be mined, and which never are", () => {
    expect(fates({})).to.deep.equal(["replaced", "replaced", "waiting"]);
    expect(fates({ state: "mined", receipt })).to.deep.equal(["superseded", "mined", "superseded"]);
    expect(fates({ state: "final", receipt })).to.deep.equal(["superseded", "mined", "superseded"]);
    expect(fates({ state: "lost" })).to.deep.equal(["txnonce-lost", "txnonce-lost", "txnonce-lost"]);
  });

  it("gives the receipt to the one that was mined, and no signed bytes", () => {
    const attempts = attemptsOf(batch({ state: "mined", receipt }));
    expect(attempts.map((attempt) => attempt.receipt)).to.deep.equal([undefined, receipt, undefined]);
    expect(attempts[1])
      .to.include({ hash: hashOf("tx b"), txNonce: 7, sender })
      .and.not.have.property("raw");
  });
});

describe("readAttempts", () => {
  it("gives those of every batch that a payment was in, oldest first", async () => {
    const journal = await openJournal(":memory:");
    try {
      const rows = await acceptSeeds(journal, 1, 2);
      const [row] = rows;
      const held = await lease(journal);
      expect(await readAttempts(journal, await journal.history(row!.id))).to.deep.equal([]);
      const first = batchOf(1, rows);
      await journal.storeBatch(held, first, 2);
      await journal.storeAttempt(held, first.id, attemptOf("replacement", rows.slice(1)));
      await journal.concludeBatch(
        held,
        {
          batchId: first.id,
          state: "lost",
          receipt: undefined,
          transitions: rows.map(({ id }) => {
            const evidence = { kind: "returned", why: "lost", transactionHash: undefined } as const;
            return { paymentId: id, from: ["batched"], to: "queued", evidence };
          }),
        },
        3,
      );
      await journal.storeBatch(held, batchOf(2, rows.slice(0, 1)), 4);
      const attempts = await readAttempts(journal, await journal.history(row!.id));
      expect(attempts.map(({ hash, txNonce, fate }) => [hash, txNonce, fate])).to.deep.equal([
        [hashOf("tx 1"), 1, "txnonce-lost"],
        [hashOf("tx replacement"), 1, "txnonce-lost"],
        [hashOf("tx 2"), 2, "waiting"],
      ]);
      expect(attempts[1]?.paymentIds).to.deep.equal([rows[1]?.id]);
    } finally {
      await journal.close();
    }
  });
});

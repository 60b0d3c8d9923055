import { expect } from "chai";
import type { Lease, ReceiptRow } from "../../../../src/journal/index.ts";
import { JournalError } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import {
  acceptAll,
  acceptSeeds,
  addressOf,
  attemptOf,
  batchOf,
  chainId,
  hashOf,
  lease,
  move,
  paymentOf,
  request,
  sender,
  stateOf,
  takeOver,
} from "../fixtures.ts";

const receipt: ReceiptRow = {
  hash: hashOf("tx 0"),
  blockNumber: 2n ** 100n,
  blockHash: hashOf("block"),
  succeeded: true,
  gasUsed: 21_000n,
  feeWei: 2n ** 200n,
  dataFeeWei: 0n,
};

/** Ways in which a lease is no longer the key's. */
const lost: readonly [string, (lease: Lease) => Lease][] = [
  ["is of another epoch", (held) => ({ ...held, epoch: held.epoch - 1 })],
  ["is of another owner", (held) => ({ ...held, owner: "b" })],
  ["is of another key", (held) => ({ ...held, sender: addressOf(4) })],
  ["is of another chain", (held) => ({ ...held, chainId: 1 })],
];

export function describeBatches({ journal, another }: Subject): void {
  describe("storeBatch", () => {
    it("stores the batch and its attempt, and moves its payments", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      const batch = batchOf(7, rows);
      const held = await lease(journal());
      expect(await journal().storeBatch(held, batch, 20)).to.equal("stored");
      expect(await (await another()).batch(batch.id)).to.deep.equal({
        id: batch.id,
        chainId,
        sender,
        txNonce: 7,
        state: "open",
        attempts: [batch.attempt],
        receipt: undefined,
        createdAtMs: 20,
      });
      const evidence = { kind: "batch", batchId: batch.id, transactionHash: batch.attempt.hash };
      for (const row of rows) {
        expect(await journal().payment(row.id)).to.deep.equal({
          ...row,
          state: "batched",
          evidence,
          batchId: batch.id,
          tries: 1,
          updatedAtMs: 20,
        });
        expect((await journal().history(row.id))[1]).to.deep.equal({
          paymentId: row.id,
          atMs: 20,
          from: "queued",
          to: "batched",
          reason: undefined,
          reasonCount: undefined,
          evidence,
        });
      }
    });

    it("stores a no-op without payments", async () => {
      const batch = batchOf(0, []);
      expect(await journal().storeBatch(await lease(journal()), batch, 1)).to.equal("stored");
      expect((await journal().batch(batch.id))?.attempts).to.deep.equal([batch.attempt]);
    });

    it("answers the same to a call whose answer was lost", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const held = await lease(journal());
      expect(await journal().storeBatch(held, batchOf(0, rows), 2)).to.equal("stored");
      expect(await journal().storeBatch(held, batchOf(0, rows), 3)).to.equal("stored");
      expect(await journal().payment(rows[0]?.id ?? 0)).to.include({ tries: 1 });
      expect(await journal().storeBatch(held, { ...batchOf(0, []), txNonce: 1 }, 4)).to.equal("txnonce-taken");
    });

    for (const [how, lose] of lost) {
      it(`is fenced if the lease ${how}, and stores nothing`, async () => {
        const rows = await acceptSeeds(journal(), 1);
        await lease(journal(), { owner: "z" });
        const held = await takeOver(journal(), "a");
        expect(await journal().storeBatch(lose(held), batchOf(0, rows), 50)).to.equal("fenced");
        expect(await journal().batch(batchOf(0, rows).id)).to.equal(undefined);
        expect(await journal().payment(rows[0]?.id ?? 0)).to.deep.equal(rows[0]);
      });
    }

    it("is fenced for an owner that stalled while another took over", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      const stalled = await lease(journal(), { owner: "a" });
      expect(await journal().storeBatch(stalled, batchOf(0, rows.slice(0, 1)), 10)).to.equal("stored");
      const other = await another();
      const next = await takeOver(other, "b");
      const attempt = attemptOf("replacement", rows.slice(0, 1));
      const id = batchOf(0, []).id;
      expect(await journal().storeBatch(stalled, batchOf(1, rows.slice(1)), 50)).to.equal("fenced");
      expect(await journal().storeAttempt(stalled, id, attempt)).to.equal("fenced");
      expect(await journal().markBroadcast(stalled, batchOf(0, []).attempt.hash, 50)).to.equal("fenced");
      const conclusion = { batchId: id, state: "lost", receipt: undefined, transitions: [] } as const;
      expect(await journal().concludeBatch(stalled, conclusion, 50)).to.equal("fenced");
      expect(await other.markBroadcast(next, batchOf(0, []).attempt.hash, 110)).to.equal("stored");
      expect((await other.batch(id))?.attempts).to.have.length(1);
    });

    it("refuses payments that moved, and then stores nothing", async () => {
      const held = await lease(journal());
      const [queued, expired, missing] = await acceptSeeds(journal(), 1, 2, 3);
      if (queued === undefined || expired === undefined || missing === undefined) throw new Error();
      await move(journal(), [expired], "expired");
      for (const rows of [
        [queued, expired],
        [queued, { ...missing, id: 9_999 }],
        [queued, queued],
      ]) {
        expect(await journal().storeBatch(held, batchOf(0, rows), 2)).to.equal("payments-moved");
      }
      expect(await journal().payment(queued.id)).to.deep.equal(queued);
      expect(await journal().batches({ chainId, states: ["open"] })).to.deep.equal([]);
    });

    it("refuses a second variant in flight, or in the same batch", async () => {
      const held = await lease(journal());
      const rows = await acceptAll(journal(), [paymentOf(1), paymentOf(1, { variant: 1 })]);
      expect(await journal().storeBatch(held, batchOf(0, rows), 2)).to.equal("payments-moved");
      expect(await journal().storeBatch(held, batchOf(0, rows.slice(0, 1)), 2)).to.equal("stored");
      expect(await journal().storeBatch(held, batchOf(1, rows.slice(1)), 2)).to.equal("payments-moved");
    });

    it("refuses a txNonce that another batch has, until that one has lost it", async () => {
      const held = await lease(journal());
      const rows = await acceptSeeds(journal(), 1, 2);
      const first = batchOf(5, rows.slice(0, 1));
      const second = batchOf(5, rows.slice(1), { id: hashOf("second"), attempt: attemptOf("second", rows.slice(1)) });
      expect(await journal().storeBatch(held, first, 2)).to.equal("stored");
      expect(await journal().storeBatch(held, second, 2)).to.equal("txnonce-taken");
      expect(await stateOf(journal(), rows[1] ?? raise())).to.equal("queued");
      for (const state of ["mined", "final"] as const) {
        await journal().concludeBatch(held, { batchId: first.id, state, receipt, transitions: [] }, 3);
        expect(await journal().storeBatch(held, second, 3)).to.equal("txnonce-taken");
      }
      await journal().concludeBatch(held, { batchId: first.id, state: "lost", receipt: undefined, transitions: [] }, 4);
      expect(await journal().storeBatch(held, second, 4)).to.equal("stored");
    });

    it("stores one of two batches with the same payments from two keys at once", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const other = await another();
      const held = await lease(journal(), { owner: "a" });
      const otherLease = await lease(other, { owner: "b", sender: addressOf(6) });
      const mine = batchOf(0, rows);
      const theirs = batchOf(0, [...rows].reverse(), {
        id: hashOf("theirs"),
        sender: addressOf(6),
        attempt: attemptOf("theirs", [...rows].reverse()),
      });
      const answers = await Promise.all([journal().storeBatch(held, mine, 2), other.storeBatch(otherLease, theirs, 2)]);
      expect([...answers].sort()).to.deep.equal(["payments-moved", "stored"]);
      expect(await journal().batches({ chainId, states: ["open"] })).to.have.length(1);
    });

    it("stores batches of two variants once, from two keys at once", async () => {
      const [one, two] = await acceptAll(journal(), [paymentOf(1), paymentOf(1, { variant: 1 })]);
      if (one === undefined || two === undefined) throw new Error();
      const other = await another();
      const held = await lease(journal(), { owner: "a" });
      const otherLease = await lease(other, { owner: "b", sender: addressOf(6) });
      const theirs = batchOf(0, [two], {
        id: hashOf("theirs"),
        sender: addressOf(6),
        attempt: attemptOf("theirs", [two]),
      });
      const answers = await Promise.all([
        journal().storeBatch(held, batchOf(0, [one]), 2),
        other.storeBatch(otherLease, theirs, 2),
      ]);
      expect([...answers].sort()).to.deep.equal(["payments-moved", "stored"]);
    });
  });

  describe("storeAttempt", () => {
    const setUp = async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const held = await lease(journal());
      const batch = batchOf(0, rows.slice(0, 2));
      await journal().storeBatch(held, batch, 2);
      return { rows, held, batch };
    };

    it("adds a replacement that drops payments, which stay with the batch", async () => {
      const { rows, held, batch } = await setUp();
      const replacement = attemptOf("again", rows.slice(1, 2), { maxFeePerGas: 2n ** 91n });
      expect(await journal().storeAttempt(held, batch.id, replacement)).to.equal("stored");
      expect(await journal().storeAttempt(held, batch.id, replacement)).to.equal("stored");
      const noop = attemptOf("no-op", []);
      expect(await journal().storeAttempt(held, batch.id, noop)).to.equal("stored");
      expect((await journal().batch(batch.id))?.attempts).to.deep.equal([batch.attempt, replacement, noop]);
      expect(await journal().payment(rows[0]?.id ?? 0)).to.include({ state: "batched", batchId: batch.id });
    });

    it("refuses one that adds a payment, or carries one that has left", async () => {
      const { rows, held, batch } = await setUp();
      expect(await journal().storeAttempt(held, batch.id, attemptOf("more", rows))).to.equal("payments-moved");
      await move(journal(), rows.slice(0, 1), "settled-elsewhere");
      const both = attemptOf("both", rows.slice(0, 2));
      expect(await journal().storeAttempt(held, batch.id, both)).to.equal("payments-moved");
      expect((await journal().batch(batch.id))?.attempts).to.have.length(1);
    });

    it("refuses one for a batch that is decided", async () => {
      const { rows, held, batch } = await setUp();
      const late = attemptOf("late", rows.slice(0, 1));
      await journal().concludeBatch(held, { batchId: batch.id, state: "mined", receipt, transitions: [] }, 3);
      expect(await journal().storeAttempt(held, batch.id, late)).to.equal("payments-moved");
      await journal().concludeBatch(held, { batchId: batch.id, state: "lost", receipt: undefined, transitions: [] }, 3);
      expect(await journal().storeAttempt(held, batch.id, late)).to.equal("txnonce-taken");
    });

    it("is fenced after a takeover, and for a batch of another key", async () => {
      const { rows, held, batch } = await setUp();
      const attempt = attemptOf("x", rows.slice(0, 1));
      await takeOver(journal(), "b");
      expect(await journal().storeAttempt(held, batch.id, attempt)).to.equal("fenced");
      const other = await lease(journal(), { sender: addressOf(8) });
      expect(await journal().storeAttempt(other, batch.id, attempt)).to.equal("fenced");
    });

    it("fails for a batch that is not there", async () => {
      const { held } = await setUp();
      const error = await journal()
        .storeAttempt(held, hashOf("nowhere"), attemptOf("x", []))
        .catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(JournalError).with.property("kind", "invalid");
    });
  });

  describe("markBroadcast", () => {
    it("notes the time and moves the batch's payments, once", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      const held = await lease(journal());
      const batch = batchOf(0, rows);
      await journal().storeBatch(held, batch, 2);
      await move(journal(), rows.slice(1), "settled-elsewhere", 3);
      expect(await journal().markBroadcast(held, batch.attempt.hash, 30)).to.equal("stored");
      expect(await journal().markBroadcast(held, batch.attempt.hash, 40)).to.equal("stored");
      expect((await journal().batch(batch.id))?.attempts[0]?.broadcastAtMs).to.equal(40);
      const row = await journal().payment(rows[0]?.id ?? 0);
      expect(row).to.include({ state: "submitted", updatedAtMs: 30, tries: 1, batchId: batch.id });
      expect(await journal().history(rows[0]?.id ?? 0)).to.have.length(3);
      expect(await stateOf(journal(), rows[1] ?? raise())).to.equal("settled-elsewhere");
    });

    it("is fenced after a takeover, and for another key", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const held = await lease(journal());
      const batch = batchOf(0, rows);
      await journal().storeBatch(held, batch, 2);
      await takeOver(journal(), "b");
      expect(await journal().markBroadcast(held, batch.attempt.hash, 100)).to.equal("fenced");
      const other = await lease(journal(), { sender: addressOf(8) });
      expect(await journal().markBroadcast(other, batch.attempt.hash, 3)).to.equal("fenced");
      expect(await stateOf(journal(), rows[0] ?? raise())).to.equal("batched");
      expect((await journal().batch(batch.id))?.attempts[0]?.broadcastAtMs).to.equal(undefined);
    });

    it("changes nothing for a batch that is decided", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const held = await lease(journal());
      const batch = batchOf(0, rows);
      await journal().storeBatch(held, batch, 2);
      for (const state of ["mined", "final", "lost"] as const) {
        await journal().concludeBatch(held, { batchId: batch.id, state, receipt, transitions: [] }, 3);
        expect(await journal().markBroadcast(held, batch.attempt.hash, 4)).to.equal("decided");
      }
      expect(await stateOf(journal(), rows[0] ?? raise())).to.equal("batched");
      expect((await journal().batch(batch.id))?.attempts[0]?.broadcastAtMs).to.equal(undefined);
      await journal().concludeBatch(held, { batchId: batch.id, state: "open", receipt: undefined, transitions: [] }, 5);
      expect(await journal().markBroadcast(held, batch.attempt.hash, 6)).to.equal("stored");
    });

    it("fails for bytes that were never stored", async () => {
      const held = await lease(journal());
      const error = await journal()
        .markBroadcast(held, hashOf("nothing"), 3)
        .catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(JournalError).with.property("kind", "invalid");
    });
  });

  describe("concludeBatch", () => {
    const setUp = async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      const held = await lease(journal());
      const batch = batchOf(0, rows);
      await journal().storeBatch(held, batch, 2);
      await journal().markBroadcast(held, batch.attempt.hash, 3);
      return { rows, held, batch };
    };

    it("sets the batch, its receipt and its payments together", async () => {
      const { rows, held, batch } = await setUp();
      const transitions = [
        { paymentId: rows[0]?.id ?? 0, from: ["submitted"], to: "settled", evidence: request },
        { paymentId: rows[1]?.id ?? 0, from: ["submitted"], to: "rejected", reason: "refused", evidence: request },
      ] as const;
      const conclusion = { batchId: batch.id, state: "mined", receipt, transitions } as const;
      expect(await journal().concludeBatch(held, conclusion, 9)).to.equal("stored");
      // Again, as after a crash: nothing is left to do.
      expect(await journal().concludeBatch(held, conclusion, 10)).to.equal("stored");
      expect(await journal().batch(batch.id)).to.deep.include({ state: "mined", receipt });
      expect(await journal().count()).to.deep.equal({ settled: 1, rejected: 1 });
      expect(await journal().history(rows[0]?.id ?? 0)).to.have.length(4);
    });

    it("keeps the receipt when the block is final, and drops it when it disappears", async () => {
      const { held, batch } = await setUp();
      const conclude = (state: "open" | "mined" | "final", given: ReceiptRow | undefined) =>
        journal().concludeBatch(held, { batchId: batch.id, state, receipt: given, transitions: [] }, 9);
      await conclude("mined", receipt);
      await conclude("final", undefined);
      expect(await journal().batch(batch.id)).to.deep.include({ state: "final", receipt });
      await conclude("open", undefined);
      expect(await journal().batch(batch.id)).to.deep.include({ state: "open", receipt: undefined });
    });

    it("changes nothing if it is fenced or its evidence cannot be stored", async () => {
      const { rows, held, batch } = await setUp();
      const transition = {
        paymentId: rows[0]?.id ?? 0,
        from: ["submitted"],
        to: "settled",
        evidence: request,
      } as const;
      const conclusion = { batchId: batch.id, state: "mined", receipt, transitions: [transition] } as const;
      const stale = { ...held, epoch: held.epoch - 1 };
      expect(await journal().concludeBatch(stale, conclusion, 100)).to.equal("fenced");
      const other = await lease(journal(), { sender: addressOf(8) });
      expect(await journal().concludeBatch(other, conclusion, 9)).to.equal("fenced");
      const bad = { ...transition, evidence: { kind: "reorg", blockNumber: 1n, blockHash: "0x" } as const };
      const error = await journal()
        .concludeBatch(held, { ...conclusion, transitions: [transition, bad] }, 9)
        .catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(JournalError).with.property("kind", "invalid");
      expect(await journal().batch(batch.id)).to.deep.include({ state: "open", receipt: undefined });
      expect(await journal().count()).to.deep.equal({ submitted: 2 });
    });

    it("does not open a batch again if another one has its txNonce meanwhile", async () => {
      const { held, batch } = await setUp();
      const conclude = (state: "open" | "lost") =>
        journal().concludeBatch(held, { batchId: batch.id, state, receipt: undefined, transitions: [] }, 9);
      await conclude("lost");
      const next = batchOf(0, [], { id: hashOf("next"), attempt: attemptOf("next", []) });
      expect(await journal().storeBatch(held, next, 10)).to.equal("stored");
      const error = await conclude("open").catch((reason: unknown) => reason);
      expect(error).to.be.instanceOf(JournalError).with.property("kind", "invalid");
      expect((await journal().batch(batch.id))?.state).to.equal("lost");
    });
  });

  describe("batches", () => {
    it("lists by txNonce, in given states, of a sender or of all, up to a limit", async () => {
      const held = await lease(journal());
      const otherLease = await lease(journal(), { sender: addressOf(8) });
      for (const txNonce of [2, 0, 1]) await journal().storeBatch(held, batchOf(txNonce, []), 1);
      const attempt = attemptOf("other", []);
      await journal().storeBatch(otherLease, batchOf(1, [], { id: hashOf("o"), sender: addressOf(8), attempt }), 1);
      await journal().concludeBatch(held, { batchId: batchOf(0, []).id, state: "mined", receipt, transitions: [] }, 2);
      const nonces = async (query: Omit<Parameters<ReturnType<typeof journal>["batches"]>[0], "chainId">) =>
        (await journal().batches({ chainId, ...query })).map(({ txNonce }) => txNonce);
      expect(await nonces({ sender, states: ["open", "mined"] })).to.deep.equal([0, 1, 2]);
      expect(await nonces({ sender, states: ["open", "mined"], limit: 2 })).to.deep.equal([0, 1]);
      expect(await nonces({ sender, states: ["open", "mined"], fromTxNonce: 1, limit: 1 })).to.deep.equal([1]);
      expect(await nonces({ states: ["open"] })).to.deep.equal([1, 1, 2]);
      expect(await nonces({ sender, states: ["lost"] })).to.deep.equal([]);
      expect(await nonces({ sender, states: [] })).to.deep.equal([]);
      expect(await journal().batches({ chainId: 1, states: ["open"] })).to.deep.equal([]);
      expect(await journal().batch(hashOf("none"))).to.equal(undefined);
    });
  });

  describe("batchWithHash", () => {
    it("gives the batch that a transaction was signed for, also for a replacement", async () => {
      const held = await lease(journal());
      const batch = batchOf(3, []);
      await journal().storeBatch(held, batch, 1);
      await journal().storeAttempt(held, batch.id, attemptOf("replacement", []));
      const stored = await journal().batch(batch.id);
      expect(stored?.attempts).to.have.lengthOf(2);
      for (const { hash } of stored?.attempts ?? []) expect(await journal().batchWithHash(hash)).to.deep.equal(stored);
      expect(await journal().batchWithHash(hashOf("nobody's"))).to.equal(undefined);
    });
  });

  describe("minedBatches", () => {
    it("lists what is mined and not final of a sender by txNonce, with the receipt, up to a limit", async () => {
      const held = await lease(journal());
      for (const txNonce of [3, 1, 2, 0]) await journal().storeBatch(held, batchOf(txNonce, []), 2);
      const conclude = (txNonce: number, state: "mined" | "final") =>
        journal().concludeBatch(held, { batchId: batchOf(txNonce, []).id, state, receipt, transitions: [] }, 3);
      await conclude(3, "mined");
      await conclude(1, "mined");
      await conclude(2, "final");
      const query = { chainId, sender: held.sender, limit: 10 };
      const mined = [1, 3].map((txNonce) => ({ id: batchOf(txNonce, []).id, receipt }));
      expect(await journal().minedBatches(query)).to.deep.equal(mined);
      expect(await journal().minedBatches({ ...query, limit: 1 })).to.deep.equal(mined.slice(0, 1));
      expect(await journal().minedBatches({ ...query, sender: addressOf(8) })).to.deep.equal([]);
      expect(await journal().minedBatches({ ...query, chainId: chainId + 1 })).to.deep.equal([]);
    });
  });

  describe("lastTxNonce", () => {
    it("is the highest that was ever stored, of lost batches too", async () => {
      expect(await journal().lastTxNonce(chainId, sender)).to.equal(undefined);
      const held = await lease(journal());
      for (const txNonce of [3, 9, 4]) await journal().storeBatch(held, batchOf(txNonce, []), 1);
      const batchId = batchOf(9, []).id;
      await journal().concludeBatch(held, { batchId, state: "lost", receipt: undefined, transitions: [] }, 2);
      expect(await journal().lastTxNonce(chainId, sender)).to.equal(9);
      expect(await journal().lastTxNonce(1, sender)).to.equal(undefined);
    });
  });
}

function raise(): never {
  throw new Error("no such row");
}

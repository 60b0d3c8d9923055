import { expect } from "chai";
import type { Evidence, PaymentState } from "../../../../src/journal/index.ts";
import { JournalError } from "../../../../src/journal/index.ts";
import type { Subject } from "../contract.ts";
import { acceptAll, acceptSeeds, batchOf, hashOf, lease, move, paymentOf, request, stateOf } from "../fixtures.ts";

const big = 2n ** 255n + 1n;
const evidences: readonly Evidence[] = [
  { kind: "accepted", block: big },
  {
    kind: "transfer",
    transactionHash: hashOf(1),
    blockNumber: big,
    blockHash: hashOf(2),
    logIndex: 7,
    gasShare: big,
    feeShareWei: 0n,
    level: "safe",
  },
  {
    kind: "receipt",
    transactionHash: hashOf(1),
    blockNumber: 1n,
    blockHash: hashOf(2),
    gasUsed: big,
    feeWei: big,
    level: "final",
  },
  { kind: "refusal", reason: "refused", message: "why", transactionHash: undefined, blockNumber: 1n, data: "0x" },
  {
    kind: "refusal",
    reason: "refused",
    message: 'a hostile payer\'s \0 \ud800 {"$": "1"} 12n \' -- 😀',
    transactionHash: hashOf(3),
    blockNumber: 1n,
    data: "0x08c379a0",
  },
  { kind: "nonce-use", use: "unknown", transactionHash: undefined, blockNumber: 1n, logIndex: undefined },
  { kind: "nonce-use", use: "cancelled", transactionHash: hashOf(3), blockNumber: 1n, logIndex: 0 },
  { kind: "deadline", blockNumber: 1n, blockTimestamp: big, final: true },
  { kind: "batch", batchId: hashOf(5), transactionHash: hashOf(6) },
  { kind: "returned", why: "it ended", transactionHash: undefined },
  {
    kind: "preconfirmation",
    transactionHash: hashOf(6),
    blockNumber: big,
    logIndex: 3,
    seenAtMs: 1_900_000_000_123,
    level: "preconfirmed",
  },
  { kind: "preconfirmation-lost", transactionHash: hashOf(6), blockNumber: big },
  { kind: "reorg", blockNumber: 5n, blockHash: hashOf(5) },
  request,
];

export function describeTransition({ journal, another }: Subject): void {
  describe("transition", () => {
    for (const [index, evidence] of evidences.entries()) {
      it(`keeps the evidence of kind ${evidence.kind} (${index})`, async () => {
        const rows = await acceptSeeds(journal(), 1);
        const paymentId = rows[0]?.id ?? 0;
        const moved = await journal().transition(
          [{ paymentId, from: ["queued"], to: "rejected", evidence, reason: "r", reasonCount: 3 }],
          9,
        );
        const row = await journal().payment(paymentId);
        expect(moved).to.deep.equal([row]);
        expect(row?.evidence).to.deep.equal(evidence);
        expect(row).to.include({ reason: "r", reasonCount: 3 });
        expect(await journal().history(paymentId)).to.deep.equal([
          {
            paymentId,
            atMs: 1,
            from: undefined,
            to: "queued",
            reason: undefined,
            reasonCount: undefined,
            evidence: { kind: "accepted", block: 10n },
          },
          { paymentId, atMs: 9, from: "queued", to: "rejected", reason: "r", reasonCount: 3, evidence },
        ]);
      });
    }

    it("reaches every state, and drops the previous reason with its number", async () => {
      const states: readonly PaymentState[] = [
        "batched",
        "submitted",
        "settled",
        "settled-elsewhere",
        "already-used",
        "rejected",
        "expired",
        "cancelled",
        "queued",
      ];
      const [row] = await acceptSeeds(journal(), 1);
      const paymentId = row?.id ?? 0;
      let from: PaymentState = "queued";
      for (const to of states) {
        const reason = to === "rejected" ? { reason: "refused", reasonCount: 2 } : {};
        const [moved] = await journal().transition([{ paymentId, from: [from], to, evidence: request, ...reason }], 2);
        const isRejected = to === "rejected";
        expect(moved?.state).to.equal(to);
        expect([moved?.reason, moved?.reasonCount]).to.deep.equal(isRejected ? ["refused", 2] : [undefined, undefined]);
        from = to;
      }
      expect((await journal().history(paymentId)).map(({ to }) => to)).to.deep.equal(["queued", ...states]);
    });

    it("applies those whose payment is as expected, and says which", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      const [a, b, c] = rows.map(({ id }) => id);
      await move(journal(), rows.slice(1, 2), "expired", 5);
      const moved = await journal().transition(
        [
          { paymentId: a ?? 0, from: ["queued"], to: "cancelled", evidence: request },
          { paymentId: b ?? 0, from: ["queued", "submitted"], to: "cancelled", evidence: request },
          { paymentId: 99_999, from: ["queued"], to: "cancelled", evidence: request },
          { paymentId: c ?? 0, from: ["batched", "queued"], to: "submitted", evidence: request },
          { paymentId: c ?? 0, from: ["submitted"], to: "rejected", evidence: request },
        ],
        9,
      );
      expect(moved.map(({ id, state }) => [id, state])).to.deep.equal([
        [a, "cancelled"],
        [c, "rejected"],
      ]);
      expect(await journal().history(b ?? 0)).to.have.length(2);
      expect((await journal().history(c ?? 0)).map(({ to }) => to)).to.deep.equal(["queued", "submitted", "rejected"]);
      expect(await journal().transition([], 9)).to.deep.equal([]);
    });

    it("applies one of a batch only while the payment is in that batch", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const batch = batchOf(0, rows);
      await journal().storeBatch(await lease(journal()), batch, 2);
      const back = { paymentId: rows[0]?.id ?? 0, from: ["batched"], to: "queued", evidence: request } as const;
      expect(await journal().transition([{ ...back, batchId: hashOf("other") }], 3)).to.deep.equal([]);
      const [moved] = await journal().transition([{ ...back, batchId: batch.id, nextTryAtMs: 44 }], 3);
      expect(moved).to.include({ state: "queued", batchId: undefined, nextTryAtMs: 44, tries: 1 });
    });

    it("keeps the batch of a payment that is decided in it", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const batch = batchOf(0, rows);
      await journal().storeBatch(await lease(journal()), batch, 2);
      expect((await move(journal(), rows, "settled"))[0]?.batchId).to.equal(batch.id);
    });

    it("does not let a second variant into flight", async () => {
      const rows = await acceptAll(journal(), [paymentOf(1), paymentOf(1, { variant: 1 })]);
      await move(journal(), rows.slice(0, 1), "submitted");
      for (const state of ["batched", "submitted", "settled"] as const) {
        expect(await move(journal(), rows.slice(1), state)).to.deep.equal([]);
      }
      expect(await move(journal(), rows.slice(1), "already-used")).to.have.length(1);
    });

    it("lets one variant take another's place in one call, in either order of ids", async () => {
      const rows = await acceptAll(journal(), [paymentOf(1), paymentOf(1, { variant: 1 })]);
      for (const [leaving, entering] of [
        [rows[0], rows[1]],
        [rows[1], rows[0]],
      ]) {
        if (leaving === undefined || entering === undefined) throw new Error();
        await move(journal(), [leaving], "submitted");
        const moved = await journal().transition(
          [
            { paymentId: leaving.id, from: ["submitted"], to: "queued", evidence: request },
            { paymentId: entering.id, from: ["queued"], to: "submitted", evidence: request },
          ],
          60,
        );
        expect(moved).to.have.length(2);
        await move(journal(), [entering], "queued");
      }
    });

    it("lets one variant into flight if two instances try at once", async () => {
      const rows = await acceptAll(journal(), [paymentOf(1), paymentOf(1, { variant: 1 })]);
      const other = await another();
      const moved = await Promise.all([
        move(journal(), rows.slice(0, 1), "submitted"),
        move(other, rows.slice(1), "submitted"),
      ]);
      expect(moved.flat()).to.have.length(1);
    });

    it("applies a transition once if ten try at once", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const other = await another();
      const transition = { paymentId: rows[0]?.id ?? 0, from: ["queued"], to: "cancelled", evidence: request } as const;
      const moved = await Promise.all(
        Array.from({ length: 10 }, (_, index) => (index % 2 ? journal() : other).transition([transition], index)),
      );
      expect(moved.flat()).to.have.length(1);
      expect(await journal().history(rows[0]?.id ?? 0)).to.have.length(2);
    });

    it("keeps a reason without characters that no database stores", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const paymentId = rows[0]?.id ?? 0;
      await journal().transition(
        [{ paymentId, from: ["queued"], to: "rejected", reason: "a\0b", evidence: request }],
        9,
      );
      expect((await journal().payment(paymentId))?.reason).to.equal("a\uFFFDb");
    });

    it("fails for evidence that cannot be stored, alone among those of the same moment", async () => {
      const rows = await acceptSeeds(journal(), 1, 2);
      const bad = { kind: "reorg", blockNumber: 1n, blockHash: "0x12" } as const;
      const [wrong, right] = await Promise.allSettled([
        journal().transition([{ paymentId: rows[0]?.id ?? 0, from: ["queued"], to: "rejected", evidence: bad }], 2),
        move(journal(), rows.slice(1), "rejected"),
      ]);
      expect(wrong).to.have.property("reason").instanceOf(JournalError).with.property("kind", "invalid");
      expect(right.status).to.equal("fulfilled");
      for (const [index, row] of rows.entries()) {
        expect(await stateOf(journal(), row)).to.equal(index === 0 ? "queued" : "rejected");
      }
    });
  });

  describe("consume", () => {
    it("is true once, for a payment that is settled", async () => {
      const rows = await acceptSeeds(journal(), 1);
      const id = rows[0]?.id ?? 0;
      expect(await journal().consume(id, 5)).to.equal(false);
      await move(journal(), rows, "submitted");
      expect(await journal().consume(id, 5)).to.equal(false);
      await move(journal(), rows, "settled");
      expect(await journal().consume(id, 60)).to.equal(true);
      expect(await journal().consume(id, 61)).to.equal(false);
      expect((await journal().payment(id))?.consumedAtMs).to.equal(60);
      // A reorg does not bring it back.
      await move(journal(), rows, "submitted");
      await move(journal(), rows, "settled");
      expect(await journal().consume(id, 62)).to.equal(false);
    });

    it("is true for the bringer, as often as it may ask, and for nobody else", async () => {
      const accepted = await journal().accept([paymentOf(1, { bringer: "me" }), paymentOf(2), paymentOf(3)], 1);
      const rows = accepted.map(({ row }) => row);
      const [id = 0, plain = 0, anew = 0] = rows.map((row) => row.id);
      const [me, you] = ["me", "you"].map((bringer) => ({ bringer, again: true }));
      const once = { bringer: "me", again: false };
      expect(rows.map(({ bringer }) => bringer)).to.deep.equal(["me", undefined, undefined]);
      expect(await journal().consume(id, 4, me)).to.equal(false);
      await move(journal(), rows, "submitted");
      await move(journal(), rows, "settled");
      for (const by of [you, undefined]) expect(await journal().consume(id, 5, by)).to.equal(false);
      expect(await journal().consume(id, 6, once)).to.equal(true);
      expect(await journal().consume(id, 7, once)).to.equal(false);
      expect(await (await another()).consume(id, 7, me)).to.equal(true);
      for (const by of [you, undefined]) expect(await journal().consume(id, 8, by)).to.equal(false);
      expect((await journal().payment(id))?.consumedAtMs).to.equal(6);
      // A payment without a named bringer belongs to no named caller.
      expect(await journal().consume(plain, 6, me)).to.equal(false);
      expect(await journal().consume(plain, 6)).to.equal(true);
      expect(await journal().consume(plain, 7, me)).to.equal(false);
      // Until somebody brings it again.
      const again = { paymentId: anew, from: ["settled"], to: "queued", evidence: request, bringer: "you" } as const;
      expect((await journal().transition([again], 60))[0]?.bringer).to.equal("you");
      await move(journal(), rows.slice(2), "settled");
      expect(await journal().consume(anew, 9)).to.equal(false);
      expect(await journal().consume(anew, 9, you)).to.equal(true);
      // What a reorg took back is not a success, whoever held it.
      await move(journal(), rows, "submitted");
      expect(await journal().consume(id, 10, me)).to.equal(false);
    });

    it("is true for what somebody else settled, and for nothing else", async () => {
      const rows = await acceptSeeds(journal(), 1, 2, 3);
      await move(journal(), rows.slice(0, 1), "settled-elsewhere");
      await move(journal(), rows.slice(1, 2), "already-used");
      await move(journal(), rows.slice(2, 3), "rejected");
      const consumed = await Promise.all(rows.map(({ id }) => journal().consume(id, 5)));
      expect(consumed).to.deep.equal([true, false, false]);
      expect(await journal().consume(12_345, 5)).to.equal(false);
    });

    it("answers each of many who ask at once for different payments", async () => {
      const bringers = ["me", undefined, "you", undefined];
      const payments = bringers.map((bringer, index) => paymentOf(index + 1, { bringer }));
      const rows = (await journal().accept(payments, 1)).map(({ row }) => row);
      await move(journal(), rows.slice(0, 3), "settled");
      const [a = 0, b = 0, c = 0, open = 0] = rows.map(({ id }) => id);
      const [me, you] = ["me", "you"].map((bringer) => ({ bringer, again: false }));
      const asked = [
        journal().consume(a, 5, you),
        journal().consume(a, 5, me),
        journal().consume(a, 5, { bringer: "me", again: true }),
        journal().consume(b, 6),
        journal().consume(b, 6),
        journal().consume(c, 7),
        journal().consume(open, 8),
        journal().consume(c, 9, you),
      ];
      expect(await Promise.all(asked)).to.deep.equal([false, true, true, true, false, false, false, true]);
      const times = (await journal().withIds([a, b, c, open])).map(({ consumedAtMs }) => consumedAtMs);
      expect(times).to.deep.equal([5, 6, 9, undefined]);
    });

    it("is true for one of ten callers at once", async () => {
      const rows = await acceptSeeds(journal(), 1);
      await move(journal(), rows, "settled");
      const other = await another();
      const consumed = await Promise.all(
        Array.from({ length: 10 }, (_, index) => (index % 2 ? journal() : other).consume(rows[0]?.id ?? 0, index)),
      );
      expect(consumed.filter(Boolean)).to.have.length(1);
    });
  });
}

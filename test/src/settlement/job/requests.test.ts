import { expect } from "chai";
import { type Evidence, type Journal, openJournal, type PaymentState } from "../../../../src/journal/index.ts";
import { cancelPayment, retryPayment, retryRejected } from "../../../../src/settlement/index.ts";
import { fakePayment, nonceAt } from "../../../helpers/payments.ts";

const NOW_SECONDS = 1_000;
const clock = { now: () => NOW_SECONDS * 1000, sleep: async () => undefined };
const by = "an operator";
const HASH = `0x${"ab".repeat(32)}` as const;

describe("requests on the journal", () => {
  let journal: Journal;
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  let added = 0;
  /** A payment of the journal, moved to `state`. */
  async function add(state: PaymentState, evidence: Evidence, deadlineSeconds = 2_000n): Promise<number> {
    added += 1;
    const digest = nonceAt(added);
    const work = { kind: "authorization", authorization: fakePayment({ nonce: digest }), payerHasCode: false } as const;
    const payment = { identity: digest, digest, work, deadlineSeconds, acceptedBlock: 1n, source: undefined };
    const [accepted] = await journal.accept([payment], clock.now());
    const id = accepted?.row.id ?? 0;
    if (state !== "queued") {
      const reason = evidence.kind === "refusal" ? { reason: evidence.reason } : {};
      await journal.transition([{ paymentId: id, from: ["queued"], to: state, evidence, ...reason }], clock.now());
    }
    return id;
  }
  const refusal = (reason: string): Evidence => {
    return { kind: "refusal", reason, message: "", transactionHash: undefined, blockNumber: 1n, data: "0x" };
  };
  const stateOf = async (id: number) => (await journal.payment(id))?.state;

  describe("retryPayment", () => {
    it("puts a rejected payment back, with a note of who asked", async () => {
      const id = await add("rejected", refusal("underfunded"));
      expect(await retryPayment(journal, { id, by, clock })).to.deep.include({ status: "requeued" });
      expect(await stateOf(id)).to.equal("queued");
      expect((await journal.history(id)).at(-1)?.evidence).to.deep.equal({ kind: "request", by });
    });

    it("leaves alone what its payer cancelled, and puts back what a request cancelled", async () => {
      const place = { transactionHash: HASH, blockNumber: 1n, logIndex: 0 };
      const byPayer = await add("cancelled", { kind: "nonce-use", use: "cancelled", ...place });
      expect((await retryPayment(journal, { id: byPayer, by, clock })).status).to.equal("not-retryable");
      const byRequest = await add("cancelled", { kind: "request", by });
      expect((await retryPayment(journal, { id: byRequest, by, clock })).status).to.equal("requeued");
    });

    it("calls a payment expired from its validBefore on", async () => {
      const late = await add("rejected", refusal("blocked"), BigInt(NOW_SECONDS));
      expect((await retryPayment(journal, { id: late, by, clock })).status).to.equal("expired");
      const inTime = await add("rejected", refusal("blocked"), BigInt(NOW_SECONDS + 1));
      expect((await retryPayment(journal, { id: inTime, by, clock })).status).to.equal("requeued");
    });

    it("knows only payments of the journal", async () => {
      expect(await retryPayment(journal, { id: 99, by, clock })).to.deep.equal({ status: "unknown" });
    });
  });

  describe("retryRejected", () => {
    it("puts back all, or all of one reason, that are still valid", async () => {
      const poor = await add("rejected", refusal("underfunded"));
      const blocked = await add("rejected", refusal("blocked"));
      const late = await add("rejected", refusal("blocked"), BigInt(NOW_SECONDS));
      const queued = await add("queued", refusal("blocked"));
      expect(await retryRejected(journal, { by, clock, reason: "blocked" })).to.equal(1);
      expect(await Promise.all([poor, blocked, late, queued].map(stateOf))).to.deep.equal([
        "rejected",
        "queued",
        "rejected",
        "queued",
      ]);
      expect(await retryRejected(journal, { by, clock })).to.equal(1);
      expect(await stateOf(poor)).to.equal("queued");
    });
  });

  describe("cancelPayment", () => {
    it("takes a payment out of the queue", async () => {
      const id = await add("queued", refusal("blocked"));
      expect((await cancelPayment(journal, { id, by, clock })).status).to.equal("cancelled");
      expect(await stateOf(id)).to.equal("cancelled");
    });

    it("leaves alone what is decided, and knows only payments of the journal", async () => {
      const id = await add("rejected", refusal("blocked"));
      expect((await cancelPayment(journal, { id, by, clock })).status).to.equal("decided");
      expect(await stateOf(id)).to.equal("rejected");
      expect(await cancelPayment(journal, { id: 99, by, clock })).to.deep.equal({ status: "unknown" });
    });
  });
});

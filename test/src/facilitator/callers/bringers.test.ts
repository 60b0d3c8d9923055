import { expect } from "chai";
import {
  type Bringer,
  createTurns,
  mayBringAnew,
  requestName,
  type Turn,
} from "../../../../src/facilitator/callers/bringers.ts";
import type { Evidence, PaymentRow, PaymentState } from "../../../../src/journal/index.ts";
import { paymentOf } from "../../journal/fixtures.ts";

const HOLD_MS = 10_000;
const anybody = (request: string): Bringer => ({ merchant: undefined, again: false, request });
const shop: Bringer = { merchant: "shop", again: false, request: "r" };
const shopKeyed: Bringer = { merchant: "shop:k", again: true, request: "r" };
const asked: Evidence = { kind: "request", by: "test" };

function rowOf(state: PaymentState, bringer?: string, evidence: Evidence = asked): PaymentRow {
  return {
    ...paymentOf(1),
    id: 1,
    chainId: 1,
    state,
    reason: undefined,
    reasonCount: undefined,
    evidence,
    batchId: undefined,
    acceptedAtMs: 0,
    updatedAtMs: 0,
    tries: 0,
    nextTryAtMs: 0,
    consumedAtMs: undefined,
    bringer,
  };
}

describe("createTurns", () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, sleep: () => Promise.resolve() };
  const open = () => createTurns(clock, HOLD_MS);
  /** A turn that was entered. */
  const entered = (turn: ReturnType<ReturnType<typeof createTurns>["enter"]>): Turn => {
    if (typeof turn === "string") throw new Error(turn);
    return turn;
  };
  /** A turn that ends with an answer that is not final. */
  const unclear = (turn: ReturnType<typeof entered>) =>
    turn.run(
      async (noteStored) => noteStored(),
      () => false,
    );
  const final = (turn: ReturnType<typeof entered>) =>
    turn.run(
      async (noteStored) => noteStored(),
      () => true,
    );
  const sent = rowOf("submitted");

  it("gives the first caller the turn for a new payment, and nobody else one while it lasts", async () => {
    const turns = open();
    const first = entered(turns.enter("p", anybody("a"), undefined));
    expect(turns.enter("p", anybody("a"), undefined)).to.equal("busy");
    expect(turns.enter("p", anybody("a"), sent)).to.equal("busy");
    expect(turns.enter("other", anybody("a"), undefined)).to.be.an("object");
    await final(first);
    expect(turns.enter("p", anybody("a"), rowOf("settled"))).to.equal("stranger");
  });

  it("holds a turn for the identical request after an answer that is not final, to the millisecond", async () => {
    const turns = open();
    nowMs = 5_000;
    const first = entered(turns.enter("p", anybody("a"), undefined));
    nowMs = 60_000;
    await unclear(first);
    nowMs += HOLD_MS - 1;
    expect(turns.enter("p", anybody("b"), sent)).to.equal("busy");
    const repeated = entered(turns.enter("p", anybody("a"), sent));
    expect(turns.enter("p", anybody("a"), sent)).to.equal("busy");
    nowMs += 60_000;
    // Held again, from the second such answer.
    await unclear(repeated);
    nowMs += HOLD_MS;
    for (const request of ["a", "b"]) expect(turns.enter("p", anybody(request), sent)).to.equal("stranger");
  });

  it("holds nothing for a payment that was not stored, and holds if the work fails otherwise", async () => {
    const turns = open();
    const broken = new Error("broken");
    const fail = async (journal: boolean) => {
      const run = entered(turns.enter("p", anybody("a"), undefined)).run(
        async (noteStored) => {
          if (journal) noteStored();
          throw broken;
        },
        () => true,
      );
      expect(await run.catch((error: unknown) => error)).to.equal(broken);
    };
    await fail(false);
    await final(entered(turns.enter("p", anybody("b"), undefined)));
    await fail(true);
    expect(turns.enter("p", anybody("b"), sent)).to.equal("busy");
    await final(entered(turns.enter("p", anybody("a"), sent)));
  });

  it("gives a merchant the turn of what it brought at any time, and with a key a second one next to the first", async () => {
    const turns = open();
    for (const state of ["queued", "submitted", "settled"] as const) {
      await final(entered(turns.enter("p", shop, rowOf(state, "shop"))));
      for (const other of [anybody("r"), shopKeyed, { ...shop, merchant: "other" }]) {
        expect(turns.enter("p", other, rowOf(state, "shop"))).to.equal("stranger");
      }
    }
    entered(turns.enter("p", shop, rowOf("submitted", "shop")));
    expect(turns.enter("p", shop, rowOf("submitted", "shop"))).to.equal("busy");
    const keyed = [1, 2].map(() => entered(turns.enter("q", shopKeyed, undefined)));
    await unclear(keyed[0]!);
    expect(turns.enter("q", shop, rowOf("submitted", "shop:k"))).to.equal("busy");
    // Its name is in the journal: there is nothing to hold.
    await unclear(keyed[1]!);
    expect(turns.enter("q", shop, rowOf("submitted", "shop:k"))).to.equal("stranger");
  });

  it("lets a payment that moved nothing be brought again, but a merchant's only by that merchant", () => {
    const used: Evidence = {
      kind: "nonce-use",
      use: "cancelled",
      transactionHash: undefined,
      blockNumber: 1n,
      logIndex: undefined,
    };
    for (const state of ["rejected", "cancelled"] as const) {
      expect(mayBringAnew(anybody("a"), rowOf(state))).to.equal(true);
      expect(mayBringAnew(shop, rowOf(state))).to.equal(true);
      expect(mayBringAnew(shopKeyed, rowOf(state, "shop"))).to.equal(true);
      expect(mayBringAnew(shop, rowOf(state, "shop:other"))).to.equal(true);
      expect(mayBringAnew(anybody("a"), rowOf(state, "shop"))).to.equal(false);
      expect(mayBringAnew({ ...shop, merchant: "shop2" }, rowOf(state, "shop"))).to.equal(false);
    }
    // The payer cancelled it at the token.
    expect(mayBringAnew(shop, rowOf("cancelled", "shop", used))).to.equal(false);
    for (const state of ["queued", "batched", "submitted", "settled", "expired", "already-used"] as const) {
      expect(mayBringAnew(shop, rowOf(state, "shop"))).to.equal(false);
    }
  });
});

describe("requestName", () => {
  it("changes with the address and with every character of the body", () => {
    const names = [
      requestName("127.0.0.1", "{}"),
      requestName("127.0.0.2", "{}"),
      requestName("127.0.0.1", "{ }"),
      requestName("127.0.0.1", ""),
    ];
    expect(new Set(names).size).to.equal(4);
  });
});

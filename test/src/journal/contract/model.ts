import { expect } from "chai";
import fc from "fast-check";
import { EXCLUSIVE_STATES, type HeldLease, type PaymentState } from "../../../../src/journal/index.ts";
import { attemptOf, chainId, hashOf, openPlace, type Place, paymentOf, request, sender } from "../fixtures.ts";

type Step =
  | { readonly do: "accept"; readonly seed: number; readonly variant: number }
  | { readonly do: "pick"; readonly owner: string; readonly limit: number }
  | { readonly do: "store"; readonly owner: string; readonly picks: readonly number[]; readonly txNonce: number }
  | { readonly do: "broadcast"; readonly owner: string; readonly txNonce: number }
  /** If `watched`, the process treats the lease that it was last refused for as abandoned, rightly or not. */
  | { readonly do: "lease"; readonly owner: string; readonly watched: boolean }
  | { readonly do: "move"; readonly pick: number; readonly from: PaymentState; readonly to: PaymentState }
  | { readonly do: "consume"; readonly pick: number }
  | { readonly do: "wait"; readonly ms: number };

const owner = fc.constantFrom("a", "b");
const state = fc.constantFrom<PaymentState>("queued", "batched", "submitted", "settled", "rejected");
const pick = fc.nat(7);
const txNonce = fc.nat(3);
const step: fc.Arbitrary<Step> = fc.oneof(
  { weight: 4, arbitrary: fc.record({ do: fc.constant("accept"), seed: fc.nat(4), variant: fc.nat(1) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("pick"), owner, limit: fc.integer({ min: 1, max: 3 }) }) },
  {
    weight: 4,
    arbitrary: fc.record({ do: fc.constant("store"), owner, picks: fc.array(pick, { maxLength: 3 }), txNonce }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("broadcast"), owner, txNonce }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("lease"), owner, watched: fc.boolean() }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant("move"), pick, from: state, to: state }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("consume"), pick }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("wait"), ms: fc.nat(60) }) },
);

const TTL_MS = 50;

type ModelPayment = {
  readonly identity: string;
  state: PaymentState;
  batch: number | undefined;
  pick: { readonly owner: string; readonly untilMs: number } | undefined;
  consumed: boolean;
  steps: number;
};

/** The journal in a few lines, without durability. */
function createModel() {
  const payments: ModelPayment[] = [];
  const keys = new Map<string, number>();
  const batches = new Map<number, readonly number[]>();
  let lease: { owner: string; epoch: number; renewals: number } | undefined;
  const refused = new Map<string, number>();
  const inFlight = (identity: string, except?: number) =>
    payments.some((one, index) => {
      const flying = EXCLUSIVE_STATES.some((state) => state === one.state);
      return one.identity === identity && flying && index !== except;
    });
  const holds = (who: string, epoch: number | undefined) =>
    lease !== undefined && lease.owner === who && lease.epoch === epoch;

  return {
    payments,
    accept: (key: string, identity: string): { readonly index: number; readonly isNew: boolean } => {
      const there = keys.get(key);
      if (there !== undefined) return { index: there, isNew: false };
      keys.set(key, payments.length);
      payments.push({ identity, state: "queued", batch: undefined, pick: undefined, consumed: false, steps: 1 });
      return { index: payments.length - 1, isNew: true };
    },
    pick: (who: string, nowMs: number, limit: number): number[] => {
      const free = payments.flatMap((one, index) => {
        const mine = one.pick === undefined || one.pick.owner === who || one.pick.untilMs <= nowMs;
        return one.state === "queued" && mine && !inFlight(one.identity) ? [index] : [];
      });
      const taken = free.slice(0, limit);
      for (const index of taken) {
        const one = payments[index];
        if (one !== undefined) one.pick = { owner: who, untilMs: nowMs + TTL_MS };
      }
      return taken;
    },
    lease: (who: string, watched: boolean): number | undefined => {
      const isQuiet = watched && refused.get(who) === lease?.renewals;
      if (lease !== undefined && lease.owner !== who && !isQuiet) {
        refused.set(who, lease.renewals);
        return undefined;
      }
      const epoch = lease === undefined ? 1 : lease.owner === who ? lease.epoch : lease.epoch + 1;
      const before = lease?.owner;
      lease = { owner: who, epoch, renewals: (lease?.renewals ?? 0) + 1 };
      if (before !== who) for (const one of payments) if (one.pick?.owner === before) one.pick = undefined;
      return epoch;
    },
    journal: (who: string, epoch: number | undefined, txNonce: number, picks: readonly number[]): string => {
      if (!holds(who, epoch)) return "fenced";
      // Its id is bound to the txNonce, so an existing one is either the same or in the way.
      const there = batches.get(txNonce);
      if (there !== undefined) return `${there}` === `${picks}` ? "stored" : "txnonce-taken";
      const chosen = picks.map((index) => payments[index]);
      const identities = new Set(chosen.map((one) => one?.identity));
      const ready = chosen.every((one) => one?.state === "queued" && !inFlight(one.identity));
      if (!ready || identities.size !== picks.length) return "payments-moved";
      batches.set(txNonce, picks);
      for (const one of chosen) {
        if (one !== undefined)
          Object.assign(one, { state: "batched", batch: txNonce, pick: undefined, steps: one.steps + 1 });
      }
      return "stored";
    },
    broadcast: (who: string, epoch: number | undefined, txNonce: number): string => {
      if (!holds(who, epoch)) return "fenced";
      for (const one of payments) {
        if (one.batch === txNonce && one.state === "batched")
          Object.assign(one, { state: "submitted", steps: one.steps + 1 });
      }
      return "stored";
    },
    hasBatch: (txNonce: number) => batches.has(txNonce),
    move: (index: number, from: PaymentState, to: PaymentState): boolean => {
      const one = payments[index];
      if (one === undefined || one.state !== from) return false;
      if (EXCLUSIVE_STATES.some((state) => state === to) && inFlight(one.identity, index)) return false;
      Object.assign(one, { state: to, pick: undefined, steps: one.steps + 1 });
      if (to === "queued") one.batch = undefined;
      return true;
    },
    consume: (index: number): boolean => {
      const one = payments[index];
      if (one === undefined || one.state !== "settled" || one.consumed) return false;
      one.consumed = true;
      return true;
    },
  };
}

export function describeModel(fresh: () => Promise<Place>): void {
  describe("any sequence of steps", () => {
    it("does the same as a model of it", async () => {
      const property = fc.asyncProperty(fc.array(step, { minLength: 5, maxLength: 40 }), async (steps) => {
        const journal = await openPlace(await fresh());
        try {
          await follow(journal, steps);
        } finally {
          await journal.close();
        }
      });
      await fc.assert(property, { numRuns: process.env.TRIBUTARY_LONG === undefined ? 25 : 300 });
    });
  });
}

async function follow(journal: Awaited<ReturnType<typeof openPlace>>, steps: readonly Step[]): Promise<void> {
  const model = createModel();
  const ids: number[] = [];
  const epochs = new Map<string, number>();
  const batchId = (nonce: number) => hashOf(`batch ${nonce}`);
  let nowMs = 1_000;
  const leaseOf = (who: string) => ({ chainId, sender, owner: who, epoch: epochs.get(who) ?? 0 });
  const watched = new Map<string, HeldLease>();
  // An id above those given out stands for a missing payment.
  const idOf = (index: number) => ids[index] ?? 1_000_000 + index;

  for (const one of steps) {
    nowMs += 1;
    switch (one.do) {
      case "accept": {
        const payment = paymentOf(one.seed, { variant: one.variant });
        const expected = model.accept(`${payment.identity} ${payment.digest}`, payment.identity);
        const [accepted] = await journal.accept([payment], nowMs);
        if (expected.isNew) ids.push(accepted?.row.id ?? -1);
        expect(accepted).to.include({ isNew: expected.isNew }).and.have.nested.property("row.id", ids[expected.index]);
        break;
      }
      case "pick": {
        const expected = model.pick(one.owner, nowMs, one.limit).map(idOf);
        const query = { chainId, owner: one.owner, nowMs, untilMs: nowMs + TTL_MS, limit: one.limit };
        expect((await journal.pick(query)).map(({ id }) => id)).to.deep.equal(expected);
        break;
      }
      case "lease": {
        const expected = model.lease(one.owner, one.watched);
        const abandoned = one.watched ? watched.get(one.owner) : undefined;
        const answer = await journal.acquireLease({ chainId, sender, owner: one.owner, ttlMs: TTL_MS, abandoned });
        if ("heldBy" in answer) watched.set(one.owner, answer.heldBy);
        if (expected !== undefined) epochs.set(one.owner, expected);
        expect("lease" in answer ? answer.lease.epoch : undefined).to.equal(expected);
        break;
      }
      case "store": {
        const expected = model.journal(one.owner, epochs.get(one.owner), one.txNonce, one.picks);
        const paymentIds = one.picks.map(idOf);
        const name = `${one.txNonce} ${one.picks}`;
        const attempt = attemptOf(name, [], { paymentIds });
        const batch = { id: batchId(one.txNonce), chainId, sender, txNonce: one.txNonce, attempt };
        expect(await journal.storeBatch(leaseOf(one.owner), batch, nowMs)).to.equal(expected);
        break;
      }
      case "broadcast": {
        if (!model.hasBatch(one.txNonce)) break;
        const hash = (await journal.batch(batchId(one.txNonce)))?.attempts[0]?.hash ?? "0x";
        const expected = model.broadcast(one.owner, epochs.get(one.owner), one.txNonce);
        expect(await journal.markBroadcast(leaseOf(one.owner), hash, nowMs)).to.equal(expected);
        break;
      }
      case "move": {
        const { from, to } = one;
        const expected = model.move(one.pick, from, to);
        const transition = { paymentId: idOf(one.pick), from: [from], to, evidence: request };
        expect(await journal.transition([transition], nowMs)).to.have.length(expected ? 1 : 0);
        break;
      }
      case "consume":
        expect(await journal.consume(idOf(one.pick), nowMs)).to.equal(model.consume(one.pick));
        break;
      case "wait":
        nowMs += one.ms;
        break;
    }
  }
  for (const [index, expected] of model.payments.entries()) {
    const row = await journal.payment(idOf(index));
    const batch = expected.batch === undefined ? undefined : batchId(expected.batch);
    expect(row).to.include({ state: expected.state, identity: expected.identity, batchId: batch });
    expect(row?.consumedAtMs !== undefined).to.equal(expected.consumed);
    expect(await journal.history(idOf(index))).to.have.length(expected.steps);
  }
}

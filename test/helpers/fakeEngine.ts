import type { Hex } from "viem";
import { authorizationId, termsDigest } from "../../src/authorization/identity.ts";
import type { Clock } from "../../src/clock.ts";
import type { SettleEngine } from "../../src/facilitator/exact/settle.ts";
import type { Evidence, Journal, PaymentRow, PaymentState } from "../../src/journal/index.ts";
import type { Reason } from "../../src/reasons.ts";
import { createWaiters } from "../../src/settlement/engine/waiters.ts";
import type { Submission } from "../../src/settlement/intake/admit.ts";
import { batchOf, hashOf, lease } from "../src/journal/fixtures.ts";

/** A settlement engine without a chain: it keeps payments in a real journal, and decides them when a test says so. */
export type FakeEngine = SettleEngine & {
  /** What it got, in order. */
  readonly submitted: readonly Submission[];
  /** What `acceptOne` does from now on: refuse or fail; undefined to accept. */
  refuses: Reason | Error | undefined;
  /** What `refusal` returns, for the words of an answer. */
  explains: Reason | undefined;
  /** What `spareMs` returns. */
  spare: number;
  /** What `roundOver` returns. */
  round: Promise<void>;
  /** Puts a payment into a transaction, and returns that one's hash. */
  readonly send: (id: number) => Promise<Hex>;
  /** Decides a payment, and tells those who wait for it. */
  readonly decide: (id: number, to: PaymentState, evidence: Evidence, reason?: string) => Promise<void>;
  /** Decides a payment as one that its own transaction settled. */
  readonly settle: (id: number) => Promise<Hex>;
  /** Says of a payment that is on its way that it is preconfirmed, and returns its transaction's hash. */
  readonly preconfirm: (id: number) => Promise<Hex>;
  /** Whether somebody waits for a payment. */
  readonly isAwaited: (id: number) => boolean;
  /** Ends all waits, now and from now on. */
  readonly fail: (error: Error) => void;
};

const OPEN = ["queued", "batched", "submitted"] as const;

export function createFakeEngine(journal: Journal, clock: Clock): FakeEngine {
  const waiters = createWaiters();
  const submitted: Submission[] = [];
  let txNonce = 0;

  async function move(
    id: number,
    from: readonly PaymentState[],
    to: PaymentState,
    evidence: Evidence,
    more: { readonly reason?: string; readonly bringer?: string | null } = {},
  ): Promise<boolean> {
    const rows = await journal.transition([{ paymentId: id, from, to, evidence, ...more }], clock.now());
    for (const row of rows) waiters.note(row);
    return rows.length > 0;
  }

  const engine: FakeEngine = {
    submitted,
    refuses: undefined,
    explains: undefined,
    spare: 0,
    round: Promise.resolve(),
    acceptOne: async (submission) => {
      submitted.push(submission);
      const { refuses } = engine;
      if (refuses instanceof Error) throw refuses;
      if (refuses !== undefined) return { status: "refused", reason: refuses, message: `refused: ${refuses}` };
      const { authorization, source, bringer } = submission;
      const payment = {
        identity: authorizationId(authorization),
        digest: termsDigest(authorization),
        work: { kind: "authorization", authorization, payerHasCode: false } as const,
        deadlineSeconds: authorization.validBefore,
        acceptedBlock: 10n,
        source,
        bringer,
      };
      const [accepted] = await journal.accept([payment], clock.now());
      return { status: "accepted", ...accepted! };
    },
    outcome: async (id, { signal, enough } = {}) => waiters.wait(await rowOf(id), signal, enough),
    cancel: (id) => move(id, ["queued"], "cancelled", { kind: "request", by: "caller" }),
    retry: (id, change = {}) =>
      move(id, ["rejected", "cancelled"], "queued", { kind: "request", by: "caller" }, change),
    refusal: async () => {
      const { explains: reason } = engine;
      return reason === undefined ? undefined : { status: "refused", reason, message: `explained: ${reason}` };
    },
    covers: async () => true,
    spareMs: () => engine.spare,
    roundOver: () => engine.round,
    beyondCaps: () => undefined,
    submitCall: () => Promise.reject(new Error("no call is expected")),
    send: async (id) => {
      const held = await lease(journal);
      const batch = batchOf(txNonce, [await rowOf(id)]);
      txNonce += 1;
      const stored = await journal.storeBatch(held, batch, clock.now());
      if (stored !== "stored") throw new Error(JSON.stringify(stored));
      await journal.markBroadcast(held, batch.attempt.hash, clock.now());
      return batch.attempt.hash;
    },
    decide: async (id, to, evidence, reason) => {
      const isMoved = await move(id, OPEN, to, evidence, reason === undefined ? {} : { reason });
      if (!isMoved) throw new Error(`payment ${id} is not open`);
    },
    settle: async (id) => {
      const { batchId } = await rowOf(id);
      const batch = batchId === undefined ? undefined : await journal.batch(batchId as Hex);
      const transactionHash = batch?.attempts.at(-1)?.hash ?? hashOf(`settled ${id}`);
      await engine.decide(id, "settled", {
        kind: "transfer",
        transactionHash,
        blockNumber: 11n,
        blockHash: hashOf("block 11"),
        logIndex: 3,
        gasShare: 52_000n,
        feeShareWei: 1n,
        level: "included",
      });
      return transactionHash;
    },
    preconfirm: async (id) => {
      const { batchId } = await rowOf(id);
      const batch = batchId === undefined ? undefined : await journal.batch(batchId as Hex);
      const transactionHash = batch?.attempts.at(-1)?.hash ?? hashOf(`settled ${id}`);
      const [seenAtMs, level] = [clock.now(), "preconfirmed"] as const;
      const said = { transactionHash, blockNumber: 11n, logIndex: 3, seenAtMs, level };
      await engine.decide(id, "submitted", { kind: "preconfirmation", ...said });
      return transactionHash;
    },
    isAwaited: (id) => waiters.ids().includes(id),
    fail: waiters.fail,
  };
  return engine;

  async function rowOf(id: number): Promise<PaymentRow> {
    const row = await journal.payment(id);
    if (row === undefined) throw new Error(`there is no payment ${id}`);
    return row;
  }
}

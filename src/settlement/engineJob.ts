import { isHex, type LocalAccount } from "viem";
import { authorizationId, termsDigest } from "../authorization/identity.ts";
import type { SignedAuthorization } from "../authorization/types.ts";
import { ask } from "../chain/ask.ts";
import type { ChainClient } from "../chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../chain/errors.ts";
import { hasCode } from "../chain/facts.ts";
import { findNonceUses } from "../chain/uses.ts";
import { type Clock, systemClock } from "../clock.ts";
import { ROUTER_ADDRESS } from "../deployment.ts";
import type { TributaryError } from "../errors.ts";
import type { Logger } from "../logger.ts";
import type { SettlementEngine } from "./engine.ts";
import { outcomeOfUse } from "./explain.ts";
import type { Admission } from "./intake.ts";
import type { JobProgress, SettlementReport } from "./job.ts";
import { isPutOff, outcomeOf, outcomeOfRefusal } from "./jobOutcome.ts";
import { readMined, rememberStart } from "./jobTransactions.ts";
import type { PaymentOutcome, PaymentResult } from "./outcome.ts";
import { DEFAULT_POLICY, type EnginePolicy } from "./policy.ts";
import { retryRuleOfReason } from "./retryRequest.ts";
import { type JobPayment, sortOut } from "./sortOut.ts";
import { startEngine } from "./startEngine.ts";
import { StoreError } from "./store/errors.ts";
import type { PaymentRow, Store } from "./store/types.ts";
import { isDecided } from "./waiters.ts";

/** What a job on the engine works with and may decide. Times in milliseconds. */
export type EngineJobOptions = {
  readonly store: Store;
  readonly senders: readonly LocalAccount[];
  /** Further nodes that signed bytes are handed to. */
  readonly nodes?: readonly ChainClient[];
  readonly policy?: Partial<EnginePolicy>;
  /** The job ends when nothing has happened to its payments for this long; what is open then is reported so. */
  readonly waitMs?: number;
  /** Names a payment in the journal, for reports. */
  readonly sourceOf?: (line: number) => string;
  readonly onProgress?: (progress: JobProgress) => void;
  /** Told when a key is held by an engine that seems dead, and how long its lease may still last. */
  readonly onHeld?: (waitMs: number) => void;
  /** Ends the job early: what is on its way is given a few seconds, the rest stays in the journal. */
  readonly signal?: AbortSignal;
  readonly clock?: Clock;
  readonly logger?: Logger;
};

/** A file is accepted as fast as it can be verified, and goes out in full batches. */
const JOB_POLICY: Partial<EnginePolicy> = {
  fullBatch: 2_000,
  maxInFlight: 8,
  pollMs: 200,
  leaseTtlMs: 15_000,
  retryRefusedAfterMs: 1_000,
};

const WAIT_MS = 120_000;
/** About as long as it takes to accept the payments of a full batch. */
const MAX_LINGER_MS = 3_000;
/** Payments that are verified and stored at once, and rows that are looked at in one go. */
const ACCEPT_AT_ONCE = 500;
const LOOK_AT_ONCE = 2_000;
/** Nonces whose use is looked up at once: the receipts of that many are held. */
const USES_AT_ONCE = 1_000;
/** How long payments that were put off are given once nothing else is left. */
const PUT_OFF_MS = 3_000;
const FINISH_MS = 5_000;

/**
 * Settles payments through the engine and its journal: those that an earlier run left open are taken up, those that are
 * decided already are only reported, and refusals that may have passed are tried again. Input and report are those of a
 * job in one process; memory holds the payments, one outcome each, and no more than a few thousand rows.
 *
 * A node that fails or a journal that cannot be written ends the job: `stopped` says why.
 * @throws SenderHeldError where another engine sends from one of the keys, StoreError where the journal cannot be read.
 */
export async function settleWithEngine(
  client: ChainClient,
  payments: readonly JobPayment[],
  options: EngineJobOptions,
): Promise<SettlementReport> {
  const { store, senders, signal, waitMs = WAIT_MS } = options;
  const clock = options.clock ?? systemClock;
  const lingerMs = Math.min(MAX_LINGER_MS, 100 + payments.length * 2);
  const policy = { ...JOB_POLICY, lingerMs, ...options.policy };
  const outcomes = new Array<PaymentOutcome | undefined>(payments.length).fill(undefined);
  /** The payments that wait for their outcome: row id to position. */
  const open = new Map<number, number>();
  /** Rows that an earlier run had sent already. */
  const sentBefore = new Set<number>();
  /** How far each open payment had come when it was last looked at, so that standstill shows. */
  const seen = new Map<number, string>();
  const usedBefore: number[] = [];
  let decided = 0;
  let changedAtMs = clock.now();
  let putOff = 0;
  let stopped: TributaryError | undefined;

  const { others } = sortOut(client, payments);
  for (const [position, payment] of payments.entries()) {
    const outcome = others.get(payment);
    if (outcome !== undefined) decide(position, outcome);
  }
  const unpaid = await unfunded(client, senders);
  const routerUsed = await hasCode(client, policy.router ?? ROUTER_ADDRESS);
  if (unpaid !== undefined) return report([], unpaid);

  const start = await rememberStart(store, client.chain.id, senders);
  const engine = await startEngine(
    {
      store,
      chain: { client, ...(options.nodes === undefined ? {} : { nodes: options.nodes }) },
      senders,
      policy,
      clock,
      ...(options.logger === undefined ? {} : { logger: options.logger }),
    },
    { ...(options.onHeld === undefined ? {} : { onWait: options.onHeld }), signal },
  );
  try {
    await acceptAll(engine);
    await untilDecided(engine);
  } catch (error) {
    if (!endsJob(error)) throw error;
    stopped ??= error;
  } finally {
    await engine.close({ finishWithinMs: decided === payments.length || signal?.aborted === true ? FINISH_MS : 0 });
  }
  await lookAtRest();
  return report(await readMined(store, start), stopped);

  function report(transactions: SettlementReport["transactions"], why: TributaryError | undefined): SettlementReport {
    const notSent: PaymentOutcome = { status: "not-attempted", message: why?.shortMessage ?? "not sent in this run" };
    const results = payments.map(({ line, authorization }, position): PaymentResult => {
      return { line, authorization, outcome: outcomes[position] ?? notSent };
    });
    return { results, transactions, routerUsed, stopped: why };
  }

  function decide(position: number, outcome: PaymentOutcome): void {
    outcomes[position] = outcome;
    decided += 1;
  }

  function tell(): void {
    options.onProgress?.({ payments: payments.length, decided, transactions: 0 });
  }

  async function acceptAll(running: SettlementEngine): Promise<void> {
    const mine = [...payments.keys()].filter((position) => outcomes[position] === undefined);
    for (let i = 0; i < mine.length && signal?.aborted !== true; i += ACCEPT_AT_ONCE) {
      const chunk = mine.slice(i, i + ACCEPT_AT_ONCE);
      try {
        await acceptSome(running, chunk);
      } catch (error) {
        if (!endsJob(error)) throw error;
        stopped = error;
        break;
      }
      await look();
      tell();
    }
    await explainUsed();
  }

  /** Stores what the journal does not know, and takes up what it knows. */
  async function acceptSome(running: SettlementEngine, chunk: readonly number[]): Promise<void> {
    const known = await knownRows(
      store,
      chunk.map((position) => authorizationAt(position)),
    );
    const fresh = chunk.filter((_, i) => known[i] === undefined);
    const again: PaymentRow[] = [];
    for (const [i, position] of chunk.entries()) {
      const row = known[i];
      if (row !== undefined && isWorthAnotherTry(row)) {
        again.push(row);
        open.set(row.id, position);
      } else if (row !== undefined) takeUp(position, row);
    }
    const evidence = { kind: "request", by: "a new run" } as const;
    await store.transition(
      again.map(({ id }) => ({ paymentId: id, from: ["rejected"], to: "queued", evidence })),
      clock.now(),
    );
    changedAtMs = clock.now();
    if (fresh.length === 0) return;
    const admissions = await running.accept(
      fresh.map((position) => {
        const source = options.sourceOf?.(payments[position]?.line ?? 0);
        return { authorization: authorizationAt(position), ...(source === undefined ? {} : { source }) };
      }),
    );
    for (const [i, position] of fresh.entries()) {
      const admission = admissions[i];
      if (admission !== undefined) admitted(position, admission);
    }
    changedAtMs = clock.now();
  }

  function admitted(position: number, admission: Admission): void {
    if (admission.status === "accepted") takeUp(position, admission.row);
    else if (admission.reason === "already-used") usedBefore.push(position);
    else decide(position, outcomeOfRefusal(admission));
  }

  function takeUp(position: number, row: PaymentRow): void {
    if (row.state === "batched" || row.state === "submitted") sentBefore.add(row.id);
    if (isDecided(row)) decide(position, outcomeOf(row, "before"));
    else open.set(row.id, position);
  }

  /** Looks at some of the open payments, the next time at the next ones. */
  async function look(): Promise<void> {
    const ids = firstOf(open.keys(), LOOK_AT_ONCE);
    const rows = await store.changed(ids, -1);
    for (const row of rows) {
      const position = open.get(row.id);
      if (position === undefined) continue;
      open.delete(row.id);
      const wasPutOff = seen.get(row.id)?.startsWith("put off") === true;
      if (isDecided(row)) {
        changedAtMs = clock.now();
        if (wasPutOff) putOff -= 1;
        seen.delete(row.id);
        decide(position, outcomeOf(row, sentBefore.has(row.id) ? "before" : "now"));
        continue;
      }
      // Behind all others, so that every payment has its turn.
      open.set(row.id, position);
      const now = isPutOff(row) ? "put off" : `${row.state} ${row.tries}`;
      if (seen.get(row.id) === now) continue;
      seen.set(row.id, now);
      putOff += Number(isPutOff(row)) - Number(wasPutOff);
      changedAtMs = clock.now();
    }
  }

  async function untilDecided(running: SettlementEngine): Promise<void> {
    while (open.size > 0 && signal?.aborted !== true) {
      await look();
      tell();
      const idleMs = clock.now() - changedAtMs;
      if (open.size === 0) return;
      if (open.size === putOff && idleMs >= Math.min(PUT_OFF_MS, waitMs)) return;
      const broke = running.accounts().every(({ paused }) => paused === "low-balance");
      if (broke && idleMs >= Math.min(PUT_OFF_MS, waitMs)) throw cannotPay();
      if (idleMs >= waitMs) {
        // Nothing happens: say so if it is because the node does not answer.
        await ask("its newest block", client.getBlockNumber());
        return;
      }
      await clock.sleep(Math.min(policy.pollMs ?? DEFAULT_POLICY.pollMs, 200), signal);
    }
  }

  /** Who used the nonces that were used before this job: the payments themselves, perhaps, by a way that nobody noted. */
  async function explainUsed(): Promise<void> {
    for (let i = 0; i < usedBefore.length; i += USES_AT_ONCE) {
      const positions = usedBefore.slice(i, i + USES_AT_ONCE);
      const lookbackBlocks = policy.lookbackBlocks ?? DEFAULT_POLICY.lookbackBlocks;
      const authorizations = positions.map(authorizationAt);
      const uses = await findNonceUses(client, authorizations, { lookbackBlocks }).catch((error: unknown) => {
        if (error instanceof ChainUnavailableError) return undefined;
        throw error;
      });
      for (const position of positions) {
        const use = uses?.get(authorizationId(authorizationAt(position)));
        const message = "the nonce was used or cancelled before";
        decide(
          position,
          use === undefined ? { status: "rejected", reason: "already-used", message } : outcomeOfUse(use),
        );
      }
      tell();
    }
  }

  /** Reports what is still open when the job ends. */
  async function lookAtRest(): Promise<void> {
    const ids = [...open.keys()];
    for (let i = 0; i < ids.length; i += LOOK_AT_ONCE) {
      for (const row of await store.changed(ids.slice(i, i + LOOK_AT_ONCE), -1)) {
        const position = open.get(row.id);
        if (position === undefined) continue;
        // After a reorg the evidence names a block, no transaction.
        const batchId = row.evidence.kind === "reorg" ? row.batchId : undefined;
        const batch = batchId !== undefined && isHex(batchId) ? await store.batch(batchId) : undefined;
        const when = sentBefore.has(row.id) ? "before" : "now";
        outcomes[position] = outcomeOf(row, when, batch?.attempts.at(-1)?.hash);
      }
    }
  }

  function authorizationAt(position: number): SignedAuthorization {
    const payment = payments[position];
    if (payment === undefined) throw new Error(`there is no payment ${position}`);
    return payment.authorization;
  }
}

/** What the token may have taken back since, or the operator. */
function isWorthAnotherTry({ state, reason }: PaymentRow): boolean {
  return state === "rejected" && retryRuleOfReason(reason) !== "never";
}

/** The rows of exactly these terms, where the journal has them. */
async function knownRows(
  store: Store,
  authorizations: readonly SignedAuthorization[],
): Promise<(PaymentRow | undefined)[]> {
  const rows = await store.withIdentities(authorizations.map(authorizationId));
  if (rows.length === 0) return authorizations.map(() => undefined);
  const byDigest = new Map(rows.map((row) => [row.digest, row]));
  return authorizations.map((authorization) => byDigest.get(termsDigest(authorization)));
}

async function unfunded(
  client: ChainClient,
  senders: readonly LocalAccount[],
): Promise<TransactionRefusedError | undefined> {
  const balances = await Promise.all(
    senders.map(({ address }) => ask(`the balance of ${address}`, client.getBalance({ address }))),
  );
  return balances.every((balance) => balance === 0n) ? cannotPay() : undefined;
}

function cannotPay(): TransactionRefusedError {
  return new TransactionRefusedError("The sender cannot pay for the transaction's gas.", {
    hint: "Send ether to the sender's address, then run the command again.",
  });
}

function endsJob(error: unknown): error is TributaryError {
  return (
    error instanceof ChainUnavailableError || error instanceof TransactionRefusedError || error instanceof StoreError
  );
}

function firstOf<T>(items: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length === count) break;
    first.push(item);
  }
  return first;
}

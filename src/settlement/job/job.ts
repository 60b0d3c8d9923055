import type { LocalAccount } from "viem";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../../chain/errors.ts";
import { hasCode } from "../../chain/facts/facts.ts";
import { type Clock, systemClock } from "../../clock.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import type { TributaryError } from "../../errors.ts";
import { requireSameChain } from "../../journal/binding.ts";
import { openJournal } from "../../journal/open.ts";
import { JournalError } from "../../journal/ports/errors.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { Logger } from "../../logger.ts";
import { startEngine } from "../engine/start.ts";
import type { KeyWait } from "../engine/takeKeys.ts";
import type { SettlementEngine } from "../engine/types.ts";
import type { JobPayment, PaymentResult } from "../outcome/results.ts";
import { type Pace, USUAL_PACE } from "../pace.ts";
import { type EnginePolicy, type EnginePolicyOptions, resolvePolicy } from "../policy.ts";
import { acceptPayments } from "./intake.ts";
import { createJobLedger, type JobLedger, LOOK_MS } from "./ledger.ts";
import { type MinedTransaction, readMined, rememberStart } from "./transactions.ts";

/** What a job settles, what it works with and what it may decide. Times in milliseconds. */
export type JobOptions<Payment extends JobPayment = JobPayment> = {
  /**
   * Any number of payments. Memory holds the payments, one outcome each, and at most a few thousand rows of the
   * journal.
   */
  readonly payments: readonly Payment[];
  /** The keys to send from. Nothing else may use them while the job runs. */
  readonly senders: readonly LocalAccount[];
  /**
   * The record of what the job knows and did: an open journal, or anything that `openJournal` takes, such as a file's
   * name. If a job ended in any way, the next call on the same journal takes it up. By default the journal is in memory
   * and ends with the job.
   */
  readonly journal?: Journal | string;
  /** Further nodes that signed transactions are sent to. */
  readonly nodes?: readonly ChainClient[];
  /** How payments are gathered and sent. What is left out has a job's defaults. */
  readonly policy?: EnginePolicyOptions;
  /** @internal For tests, which cannot wait. */
  readonly pace?: Partial<Pace>;
  /**
   * The job ends when nothing has happened to its payments for this long (120,000 by default). Payments that are open
   * then are reported as such.
   */
  readonly waitMs?: number;
  /**
   * If more payments than this are open (20,000 by default), the rest waits outside the journal, where it needs less
   * memory.
   */
  readonly maxOpen?: number;
  /** The name that the journal keeps for a payment, for reports. */
  readonly sourceOf?: (payment: Payment) => string;
  /** Called when payments are decided. */
  readonly onProgress?: (progress: JobProgress) => void;
  /**
   * Called when another engine holds a key. `waitMs` is the longest time until it is known whether that engine is
   * alive.
   */
  readonly onHeld?: (wait: KeyWait) => void;
  /**
   * Ends the job early. Transactions that are on their way get a few seconds more; all other payments stay in the
   * journal.
   */
  readonly signal?: AbortSignal;
  /** Called once `signal` has aborted and nothing more is taken in, with what the job still waits for. */
  readonly onStop?: (waits: JobStop) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
};

/** What a job that was ended early waits for: how many transactions are on their way, and the longest wait for them. */
export type JobStop = { readonly transactions: number; readonly waitMs: number };

/** How many payments a job has, and how many of them are decided. */
export type JobProgress = { readonly payments: number; readonly decided: number };

/** What a job did. There is one result for each payment, in the order of the input. */
export type SettlementReport<Payment extends JobPayment = JobPayment> = {
  readonly results: readonly PaymentResult<Payment>[];
  /** The transactions that were mined during this run, including those that an earlier run left open. */
  readonly transactions: readonly MinedTransaction[];
  /** Whether batches go through the router. Without it, payments go to the token one by one. */
  readonly routerUsed: boolean;
  /** Why the job ended before everything was sent, if it did. The results hold what is known by then. */
  readonly stopped: TributaryError | undefined;
};

/**
 * While payments are accepted, only full batches go out; the last ones go once all are accepted. If accepting takes very
 * long, what came first does not wait for that.
 */
const JOB_PACE: Partial<Pace> = {
  // Nobody waits for a single payment, so full batches are worth more than the next block.
  inStep: false,
  fullBatch: 2_000,
  lingerMs: 60_000,
  maxLingerMs: 60_000,
  pollMs: 200,
  retryRefusedAfterMs: 1_000,
};
const JOB_POLICY: Partial<EnginePolicy> = { maxInFlight: 8, leaseTtlMs: 15_000 };

const WAIT_MS = 120_000;
/** How long the job waits for payments that were put off, once nothing else is left. */
const PUT_OFF_MS = 3_000;
const FINISH_MS = 5_000;
/** Enough payments for many batches, so that each batch is chosen from many payments. */
const MAX_OPEN = 20_000;

/**
 * Settles payments in as few transactions as it can, through the engine and its journal. It takes up payments that an
 * earlier run left open, only reports those that are decided already, and tries refused ones again if the reason may
 * have passed. Nothing settles twice. Every outcome is read from that payment's own logs.
 *
 * Payments are compared only after their signatures are verified. A payment with another one's payer and nonce and a
 * forged signature is refused, and it keeps no other payment out. If a payer signed several terms under one nonce, the
 * engine settles one of them.
 *
 * If the node fails or the journal cannot be written, the job ends. `stopped` says why, and the results tell apart what
 * settled, what may still settle and what was not sent.
 * @throws SenderHeldError if another engine sends from one of the keys; JournalError if the journal cannot be opened or
 * read, or is of another chain; ChainUnavailableError if the node does not answer at the start; EnginePolicyError or
 * PlanLimitsError if the policy is out of its range.
 */
export async function settlePayments<Payment extends JobPayment>(
  client: ChainClient,
  options: JobOptions<Payment>,
): Promise<SettlementReport<Payment>> {
  const { journal: given = ":memory:" } = options;
  if (typeof given !== "string") return settleOn(given, client, options);
  const journal = await openJournal(given);
  try {
    return await settleOn(journal, client, options);
  } finally {
    await journal.close();
  }
}

async function settleOn<Payment extends JobPayment>(
  journal: Journal,
  client: ChainClient,
  options: JobOptions<Payment>,
): Promise<SettlementReport<Payment>> {
  const { payments, senders, signal, sourceOf } = options;
  const clock = options.clock ?? systemClock;
  const policy = resolvePolicy({ ...JOB_POLICY, ...options.policy }, client.chain.id);
  const pace = { ...USUAL_PACE, ...JOB_PACE, ...options.pace };
  const ledger = createJobLedger({ journal, clock }, payments);
  const tell = (): void => options.onProgress?.({ payments: payments.length, decided: ledger.decided() });
  let stopped: TributaryError | undefined;
  /** Runs a part of the job, and keeps the first failure that ends the job. */
  const unlessStopped = async (part: () => Promise<void>): Promise<void> => {
    await part().catch((error: unknown) => {
      if (!endsJob(error)) throw error;
      stopped ??= error;
    });
  };
  const report = async (transactions: readonly MinedTransaction[]): Promise<SettlementReport<Payment>> => {
    const message = stopped?.shortMessage ?? "not sent in this run";
    const results = await ledger.results({ status: "not-attempted", message });
    return { results, transactions, routerUsed, stopped };
  };

  // The journal is checked before anything is written into it. The engine checks it again.
  await requireSameChain(journal, client);
  const routerUsed = await hasCode(client, policy.router ?? ROUTER_ADDRESS);
  if (await areBroke(client, senders)) {
    stopped = cannotPay();
    return report([]);
  }

  const start = await rememberStart(journal, client.chain.id, senders);
  const { nodes, logger, onHeld } = options;
  const engine = await startEngine(client, {
    journal,
    ...(nodes === undefined ? {} : { nodes }),
    senders,
    policy,
    pace,
    clock,
    ...(logger === undefined ? {} : { logger }),
    ...(onHeld === undefined ? {} : { onHeld }),
    signal,
  });
  try {
    const { maxOpen = MAX_OPEN } = options;
    const sourceAt = (position: number): string | undefined => {
      const payment = payments[position];
      return payment === undefined ? undefined : sourceOf?.(payment);
    };
    await unlessStopped(() =>
      acceptPayments({
        client,
        journal,
        clock,
        ledger,
        engine,
        maxOpen,
        sourceOf: sourceAt,
        signal,
        tell,
      }),
    );
    engine.flush();
    await unlessStopped(() => untilDecided({ client, clock, ledger, engine, pace, tell }, options));
  } finally {
    const isStopped = signal?.aborted === true;
    if (isStopped) options.onStop?.({ transactions: transactionsOf(engine), waitMs: FINISH_MS });
    const isOver = ledger.decided() === payments.length || isStopped;
    await engine.close({ finishWithinMs: isOver ? FINISH_MS : 0 });
  }
  return report(await readMined(journal, start));
}

/** Waits until every payment of the ledger is decided, or no further progress is expected. */
async function untilDecided(
  port: {
    readonly client: ChainClient;
    readonly clock: Clock;
    readonly ledger: JobLedger;
    readonly engine: SettlementEngine;
    readonly pace: Pick<Pace, "pollMs">;
    readonly tell: () => void;
  },
  { waitMs = WAIT_MS, signal }: Pick<JobOptions, "waitMs" | "signal">,
): Promise<void> {
  const { client, clock, ledger, engine, pace } = port;
  const patienceMs = Math.min(PUT_OFF_MS, waitMs);
  while (ledger.open() > 0 && signal?.aborted !== true) {
    await ledger.look();
    port.tell();
    const idleMs = ledger.idleMs();
    if (ledger.open() === 0 || ledger.isPutOffFor(patienceMs)) return;
    const broke = engine.accounts().every(({ paused }) => paused === "low-balance");
    if (broke && idleMs >= patienceMs) throw cannotPay();
    if (idleMs >= waitMs) {
      // Nothing happens. If the reason is that the node does not answer, throw that.
      await ask("its newest block", client.getBlockNumber());
      return;
    }
    await clock.sleep(Math.min(pace.pollMs, LOOK_MS), signal);
  }
}

function transactionsOf(engine: SettlementEngine): number {
  return engine.accounts().reduce((sum, { openBatches }) => sum + openBatches, 0);
}

async function areBroke(client: ChainClient, senders: readonly LocalAccount[]): Promise<boolean> {
  const balances = await Promise.all(
    senders.map(({ address }) => ask(`the balance of ${address}`, client.getBalance({ address }))),
  );
  return balances.every((balance) => balance === 0n);
}

function cannotPay(): TransactionRefusedError {
  return new TransactionRefusedError("The sender cannot pay for the transaction's gas.", {
    hint: "Send ether to the sender's address, then settle again.",
  });
}

function endsJob(error: unknown): error is TributaryError {
  return (
    error instanceof ChainUnavailableError || error instanceof TransactionRefusedError || error instanceof JournalError
  );
}

import type { LocalAccount } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { ChainClient } from "../chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../chain/errors.ts";
import type { TributaryError } from "../errors.ts";
import { deliver } from "./deliver.ts";
import { explainUnplanned } from "./explain.ts";
import { JournalError, type SentTransaction } from "./journal.ts";
import type { PaymentOutcome, PaymentResult } from "./outcome.ts";
import { prepareSettlement, type SettlementPolicy } from "./prepare.ts";
import type { MinedTransaction } from "./read.ts";
import { resume } from "./resume.ts";
import { type JobPayment, sortOut } from "./sortOut.ts";

/** Where a job keeps what it signed. `append` returns when the transaction is on disk. */
export type JobJournal = {
  readonly sent: readonly SentTransaction[];
  readonly append: (transaction: SentTransaction) => void;
};

export type JobOptions = SettlementPolicy & {
  readonly journal: JobJournal;
  /** How many transactions may wait for their block at once. */
  readonly maxInFlight?: number;
  /** How long to wait for a transaction to be mined before its payments are reported as pending. */
  readonly inclusionTimeoutMs?: number;
  /** The most to offer per gas, in wei. */
  readonly maxFeePerGas?: bigint;
  /** How far back to search for the transaction that used a nonce before. */
  readonly lookbackBlocks?: bigint;
  readonly onProgress?: (progress: JobProgress) => void;
};

export type JobProgress = { readonly payments: number; readonly decided: number; readonly transactions: number };

/** What a job did. Results are in the order of the input and as many. */
export type SettlementReport = {
  readonly results: readonly PaymentResult[];
  /** The transactions that this run saw mined, those of an earlier run that were still open included. */
  readonly transactions: readonly MinedTransaction[];
  /** Whether batches went through the router; undefined where it did not come to that. */
  readonly routerUsed: boolean | undefined;
  /** Why the job ended before all was sent, if it did. What is known by then is in the results. */
  readonly stopped: TributaryError | undefined;
};

/**
 * Settles payments in as few transactions as it can: looks up what earlier runs sent, plans the rest, pre-flights each
 * batch with one eth_call, sends it with explicit gas, and reads every outcome from that payment's own logs. A transaction
 * is in the journal before it is broadcast, so a run that is killed loses nothing, and a payment is never moved twice
 * because its nonce works once.
 *
 * A node that fails, refuses a transaction, or a journal that cannot be written is no exception but ends the job:
 * `stopped` says why, and the results tell apart what settled, what may still settle and what was not sent.
 * @throws PlanLimitsError where a limit is out of its range.
 */
export async function settlePayments(
  client: ChainClient,
  account: LocalAccount,
  payments: readonly JobPayment[],
  options: JobOptions,
): Promise<SettlementReport> {
  const { mine, others } = sortOut(client, payments);
  const outcomes = new Map<SignedAuthorization, PaymentOutcome>();
  const transactions: MinedTransaction[] = [];
  const decide = (payment: SignedAuthorization, outcome: PaymentOutcome) => {
    outcomes.set(payment, outcome);
    const decided = outcomes.size + others.size;
    options.onProgress?.({ payments: payments.length, decided, transactions: transactions.length });
  };

  let routerUsed: boolean | undefined;
  let stopped: TributaryError | undefined;
  try {
    const resumed = await resume(client, mine, options);
    for (const [payment, outcome] of resumed.outcomes) decide(payment, outcome);
    transactions.push(...resumed.transactions);
    if (resumed.stopped !== undefined) throw resumed.stopped;

    const rest = [...mine.values()].filter((authorization) => !outcomes.has(authorization));
    const nowSeconds = BigInt(Math.floor(Date.now() / 1000));
    const prepared = await prepareSettlement(client, rest, { ...options, sender: account.address, nowSeconds });
    routerUsed = prepared.router !== undefined;
    for (const [payment, outcome] of await explainUnplanned(client, prepared, options.lookbackBlocks)) {
      decide(payment, outcome);
    }
    await deliver(client, account, prepared, {
      ...options,
      keep: options.journal.append,
      decide,
      mined: (transaction) => transactions.push(transaction),
    });
  } catch (error) {
    if (!endsJob(error)) throw error;
    stopped = error;
  }
  const notSent: PaymentOutcome = { status: "not-attempted", message: stopped?.shortMessage ?? "not sent in this run" };
  const results = payments.map((payment): PaymentResult => {
    const { line, authorization } = payment;
    return { line, authorization, outcome: others.get(payment) ?? outcomes.get(authorization) ?? notSent };
  });
  return { results, transactions, routerUsed, stopped };
}

function endsJob(error: unknown): error is TributaryError {
  return (
    error instanceof ChainUnavailableError || error instanceof TransactionRefusedError || error instanceof JournalError
  );
}

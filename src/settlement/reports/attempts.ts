import { type Address, type Hex, isHex } from "viem";
import type { BatchKind, BatchRow, ReceiptRow } from "../../journal/ports/batches.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { HistoryRow } from "../../journal/ports/payments.ts";

/**
 * What became of a signed transaction. While its batch is open, the last one is `waiting` and those before it are
 * `replaced`: any of them may still be mined. Once one is `mined`, the others are `superseded`: they have the same
 * txNonce, so they can never be mined. `txnonce-lost`: a transaction outside the batch used the txNonce.
 */
export type AttemptFate = "waiting" | "replaced" | "mined" | "superseded" | "txnonce-lost";

/** A transaction that was signed for a batch, as the journal knows it: without its bytes. */
export type TransactionAttempt = {
  readonly hash: Hex;
  readonly batchId: Hex;
  readonly chainId: number;
  readonly sender: Address;
  readonly txNonce: number;
  readonly kind: BatchKind;
  /** The payments that it carries. A replacement may carry fewer than the transaction before it. */
  readonly paymentIds: readonly number[];
  readonly gas: bigint;
  /** The fee offered per gas, in wei. */
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly signedAtMs: number;
  /** When it was last handed to a node; undefined before the first time. */
  readonly handedOutAtMs: number | undefined;
  readonly fate: AttemptFate;
  /** Undefined unless this one was mined. */
  readonly receipt: ReceiptRow | undefined;
};

/** The attempts of a batch, in the order in which they were signed. */
export function attemptsOf(batch: BatchRow): readonly TransactionAttempt[] {
  const { id: batchId, chainId, sender, txNonce, attempts, receipt } = batch;
  return attempts.map((attempt, index) => ({
    hash: attempt.hash,
    batchId,
    chainId,
    sender,
    txNonce,
    kind: attempt.kind,
    paymentIds: attempt.paymentIds,
    gas: attempt.gas,
    maxFeePerGas: attempt.maxFeePerGas,
    maxPriorityFeePerGas: attempt.maxPriorityFeePerGas,
    signedAtMs: attempt.createdAtMs,
    handedOutAtMs: attempt.broadcastAtMs,
    fate: fateOf(batch, attempt.hash, index === attempts.length - 1),
    receipt: receipt?.hash === attempt.hash ? receipt : undefined,
  }));
}

function fateOf({ state, receipt }: BatchRow, hash: Hex, isLast: boolean): AttemptFate {
  if (state === "lost") return "txnonce-lost";
  if (state === "open") return isLast ? "waiting" : "replaced";
  return receipt?.hash === hash ? "mined" : "superseded";
}

/**
 * Every transaction of every batch that a payment was in, oldest first. A payment is in several batches if it went back
 * to the queue.
 * @param history The payment's history, as the journal gives it.
 * @throws JournalError if the journal cannot be read.
 */
export async function readAttempts(
  journal: Pick<Journal, "batch">,
  history: readonly HistoryRow[],
): Promise<readonly TransactionAttempt[]> {
  const ids = new Set(history.flatMap(({ evidence }) => (evidence.kind === "batch" ? [evidence.batchId] : [])));
  const attempts: TransactionAttempt[] = [];
  for (const id of ids) {
    const batch = isHex(id) ? await journal.batch(id) : undefined;
    if (batch !== undefined) attempts.push(...attemptsOf(batch));
  }
  return attempts;
}

import { type Address, type Hex, isHex } from "viem";
import type { BatchKind, BatchRow, ReceiptRow } from "../../journal/ports/batches.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { HistoryRow } from "../../journal/ports/payments.ts";

/**
 * What became of a signed transaction. `waiting` is the last of a batch that is open, `replaced` one before it: either
 * may still be mined. Of a batch that is through, one is `mined`; the others never are, because they have its txNonce.
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
  /** The payments that it carries. A replacement may carry fewer than the one before it. */
  readonly paymentIds: readonly number[];
  readonly gas: bigint;
  /** What is offered per gas, in wei. */
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  readonly signedAtMs: number;
  /** When it was last handed to a node; undefined before the first time. */
  readonly handedOutAtMs: number | undefined;
  readonly fate: AttemptFate;
  /** Of the one that was mined. */
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
 * Every transaction that was signed while a payment was in its batch, oldest first: a payment that came back from one
 * batch went into another.
 * @param history The payment's, as the journal gives it.
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

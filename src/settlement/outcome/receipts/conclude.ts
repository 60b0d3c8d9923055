import type { TransactionReceipt } from "viem";
import type { NonceUse } from "../../../chain/logs/uses.ts";
import type { Attempt, BatchRow, ReceiptRow } from "../../../journal/ports/batches.ts";
import type { Evidence } from "../../../journal/ports/evidence.ts";
import {
  type AuthorizationRow,
  isAuthorization,
  isCall,
  type PaymentRow,
  type Transition,
} from "../../../journal/ports/payments.ts";
import { REASONS, type Reason } from "../../../reasons.ts";
import { type ItemOutcome, type Refusal, readBatchOutcomes, readDirectOutcome } from "../../../router/index.ts";
import { isUsedUp, readCallOutcomes } from "./callOutcomes.ts";
import { dataFeeOf, shareOf } from "./costs.ts";

/** What a mined attempt means for the payments of its batch. */
export type Conclusion = { readonly receipt: ReceiptRow; readonly transitions: readonly Transition[] };

export type ConclusionPolicy = {
  readonly nowMs: number;
  readonly retryRefused: boolean;
  readonly retryRefusedAfterMs: number;
};

/** How often a payment may be in a batch that reverts or is refused as a whole, before it is set aside. */
export const MAX_TRIES = 12;
/** Reason of a queued payment whose batch failed as a whole: its next batch is smaller. */
export const BATCH_REVERTED = "batch-reverted";
/** Reason of a rejected call that reverts. */
export const REVERTED = "reverted" satisfies Reason;
/**
 * Reason of a rejected payment that makes every transaction with it fail, or that no node takes. An operator's `retry`
 * sends it again.
 */
export const QUARANTINED = "quarantined" satisfies Reason;

/** The reason of a queued payment whose batch of `items` failed as a whole: its next batch has at most half as many. */
export function batchReverted(items: number): Required<Pick<Transition, "reason" | "reasonCount">> {
  return { reason: BATCH_REVERTED, reasonCount: Math.max(1, Math.floor(items / 2)) };
}

/** The most items that a batch with this payment may have; undefined means no bound. */
export function maxItemsOf({ reason, reasonCount }: Pick<PaymentRow, "reason" | "reasonCount">): number | undefined {
  return reason === BATCH_REVERTED ? reasonCount : undefined;
}

/**
 * Reads every payment's outcome from the receipt of the attempt that was mined. Pure.
 * @param refused Payments that no node took even alone.
 */
export function concludeBatch(
  batch: BatchRow,
  attempt: Attempt,
  receipt: TransactionReceipt,
  payments: readonly PaymentRow[],
  policy: ConclusionPolicy,
  refused: ReadonlySet<number> = new Set(),
): Conclusion {
  const dataFeeWei = dataFeeOf(receipt);
  const row: ReceiptRow = {
    hash: receipt.transactionHash,
    blockNumber: receipt.blockNumber,
    blockHash: receipt.blockHash,
    succeeded: receipt.status === "success",
    gasUsed: receipt.gasUsed,
    feeWei: receipt.gasUsed * receipt.effectiveGasPrice + dataFeeWei,
    dataFeeWei,
  };
  const byId = new Map(payments.map((payment) => [payment.id, payment]));
  const carried = attempt.paymentIds.map((id) => byId.get(id)).filter((payment) => payment !== undefined);
  const outcomes = readOutcomes(batch, attempt, receipt, carried);
  const attempted = outcomes.filter(({ status }) => status !== "not-attempted").length;
  let sharer = 0;

  const transitions = payments.map((payment): Transition => {
    const base = { paymentId: payment.id, from: ["batched", "submitted"] as const, batchId: batch.id };
    const index = carried.indexOf(payment);
    if (index < 0) {
      if (!refused.has(payment.id)) return { ...base, ...returned("the mined transaction left it out", row) };
      return { ...base, ...quarantined("no node takes a transaction with it", row) };
    }
    if (payment.work.kind === "call" && attempt.router === undefined) return { ...base, ...concludeCall(row) };
    const outcome = outcomes[index];
    if (outcome === undefined || outcome.status === "not-attempted") {
      // Not even the first item got enough gas, or the whole transaction reverted. The same batch would end the same
      // way again.
      const whole = !row.succeeded || attempted === 0;
      if (!whole) return { ...base, ...returned("the transaction ended before it", row) };
      if (carried.length === 1 || payment.tries >= MAX_TRIES) {
        return { ...base, ...quarantined("every transaction with it failed as a whole", row) };
      }
      return { ...base, ...returned("its transaction failed as a whole", row), ...batchReverted(carried.length) };
    }
    const part = sharer;
    sharer += 1;
    if (outcome.status === "settled") {
      const gasShare = shareOf(row.gasUsed, attempted, part);
      const feeShareWei = shareOf(row.feeWei, attempted, part);
      if (payment.work.kind === "call") {
        return { ...base, ...concludeCall({ ...row, gasUsed: gasShare, feeWei: feeShareWei }) };
      }
      const { blockNumber, blockHash, hash: transactionHash } = row;
      const { logIndex } = outcome;
      return {
        ...base,
        to: "settled",
        evidence: {
          kind: "transfer",
          transactionHash,
          blockNumber,
          blockHash,
          logIndex,
          gasShare,
          feeShareWei,
          level: "included",
        },
      };
    }
    if (payment.work.kind === "call") {
      // Another call may have used up the gas, so each call is tried alone.
      if (isUsedUp(row.gasUsed, attempt.gas) && carried.length > 1) {
        return { ...base, ...returned("its transaction ran out of gas", row), ...batchReverted(1) };
      }
      return { ...base, ...concludeRevert(row) };
    }
    return { ...base, ...concludeRefusal(payment, refusalOf(outcome), row, policy) };
  });
  return { receipt: row, transitions };
}

function readOutcomes(
  batch: BatchRow,
  attempt: Attempt,
  receipt: TransactionReceipt,
  carried: readonly PaymentRow[],
): readonly ItemOutcome[] {
  if (attempt.kind === "call")
    return attempt.router === undefined ? [] : readCallOutcomes(receipt, carried.filter(isCall));
  const authorizations = carried.filter(isAuthorization).map(({ work }) => work.authorization);
  if (attempt.router === undefined) return authorizations.map((one) => readDirectOutcome(receipt, one));
  return readBatchOutcomes(receipt, { router: attempt.router, batchId: batch.id, authorizations });
}

function refusalOf(outcome: ItemOutcome & { status: "failed" | "unproven" }): Refusal {
  if (outcome.status === "failed") return outcome.refusal;
  return { reason: "refused", message: "the token neither settled it nor said why", data: "0x" };
}

function concludeCall(row: ReceiptRow): Pick<Transition, "to" | "reason" | "evidence"> {
  const { hash: transactionHash, blockNumber, blockHash, gasUsed, feeWei } = row;
  const evidence: Evidence = {
    kind: "receipt",
    transactionHash,
    blockNumber,
    blockHash,
    gasUsed,
    feeWei,
    level: "included",
  };
  return row.succeeded ? { to: "settled", evidence } : { to: "rejected", reason: REVERTED, evidence };
}

/** A call that reverted inside a transaction of several: nothing says why. */
function concludeRevert({
  hash: transactionHash,
  blockNumber,
}: ReceiptRow): Pick<Transition, "to" | "reason" | "evidence"> {
  const message = "it left no log in its transaction, which others shared";
  const evidence: Evidence = { kind: "refusal", reason: REVERTED, message, transactionHash, blockNumber, data: "0x" };
  return { to: "rejected", reason: REVERTED, evidence };
}

/**
 * What follows from a refusal: the payment is queued again if the reason may pass, the policy wants it and there is
 * time. Otherwise it ends.
 */
export function concludeRefusal(
  payment: PaymentRow,
  refusal: Refusal,
  where: { readonly hash?: ReceiptRow["hash"]; readonly blockNumber: bigint },
  policy: ConclusionPolicy,
): Pick<Transition, "to" | "reason" | "evidence" | "nextTryAtMs"> {
  const { reason, message, data } = refusal;
  const evidence: Evidence = {
    kind: "refusal",
    reason,
    message,
    data,
    transactionHash: where.hash,
    blockNumber: where.blockNumber,
  };
  const { retry, state } = REASONS[reason];
  const nextTryAtMs = policy.nowMs + policy.retryRefusedAfterMs;
  const inTime = BigInt(Math.ceil(nextTryAtMs / 1000)) < payment.deadlineSeconds;
  if (retry === "until-deadline" && policy.retryRefused && inTime)
    return { to: "queued", reason, evidence, nextTryAtMs };
  // If the nonce is used, the transaction that used it is looked up before anything is stored.
  return { to: state === "expired" ? "expired" : "rejected", reason, evidence };
}

/**
 * What follows from a nonce that was used elsewhere: the use is a settlement, a cancellation or other terms, or is not
 * known.
 */
export function concludeUse(
  use: NonceUse | undefined,
  payment: PaymentRow,
  blockNumber: bigint,
): Pick<Transition, "to" | "reason" | "evidence"> {
  if (use === undefined) {
    const evidence: Evidence = {
      kind: "nonce-use",
      use: "unknown",
      transactionHash: undefined,
      blockNumber,
      logIndex: undefined,
    };
    return { to: "already-used", reason: "already-used", evidence };
  }
  const { transactionHash } = use;
  const evidence: Evidence = {
    kind: "nonce-use",
    use: use.status,
    transactionHash,
    blockNumber: use.blockNumber,
    logIndex: use.status === "settled" ? use.logIndex : undefined,
  };
  if (use.status === "cancelled") return { to: "cancelled", reason: "cancelled", evidence };
  // Used after we accepted it: somebody else submitted these very terms. Used before: it was never ours to settle.
  if (use.status === "settled" && use.blockNumber >= payment.acceptedBlock)
    return { to: "settled-elsewhere", evidence };
  return { to: "already-used", reason: "already-used", evidence };
}

function returned(why: string, row: ReceiptRow): Pick<Transition, "to" | "evidence"> {
  return { to: "queued", evidence: { kind: "returned", why, transactionHash: row.hash } };
}

/** Set aside for an operator. */
export function quarantined(
  message: string,
  where: { readonly hash?: ReceiptRow["hash"] | undefined; readonly blockNumber: bigint },
): Pick<Transition, "to" | "reason" | "evidence"> {
  const { hash: transactionHash, blockNumber } = where;
  const evidence: Evidence = {
    kind: "refusal",
    reason: QUARANTINED,
    message,
    transactionHash,
    blockNumber,
    data: "0x",
  };
  return { to: "rejected", reason: QUARANTINED, evidence };
}

/** The identities whose use of the nonce must be looked up before a conclusion with these transitions is stored. */
export function usedElsewhere(transitions: readonly Transition[], payments: readonly PaymentRow[]): AuthorizationRow[] {
  const ids = new Set(transitions.filter(({ reason }) => reason === "already-used").map(({ paymentId }) => paymentId));
  return payments.filter(isAuthorization).filter(({ id }) => ids.has(id));
}

/**
 * Replaces transitions that only say that a nonce is used by what was looked up. If the use was not found, that is no
 * outcome yet: the payment is queued, and the search goes on from there.
 */
export function withUses(
  transitions: readonly Transition[],
  payments: readonly PaymentRow[],
  uses: ReadonlyMap<number, NonceUse>,
  blockNumber: bigint,
): Transition[] {
  const byId = new Map(usedElsewhere(transitions, payments).map((payment) => [payment.id, payment]));
  return transitions.map((transition) => {
    const payment = byId.get(transition.paymentId);
    if (payment === undefined) return transition;
    const { reason: _, reasonCount: __, nextTryAtMs: ___, ...rest } = transition;
    const use = uses.get(payment.id);
    if (use !== undefined) return { ...rest, ...concludeUse(use, payment, blockNumber) };
    const evidence: Evidence = {
      kind: "returned",
      why: "its nonce is used, but it is not known yet by which transaction",
      transactionHash: undefined,
    };
    return { ...rest, to: "queued", reason: USE_UNKNOWN, evidence };
  });
}

/** Reason of a queued payment whose nonce is used by a transaction that was not found yet. */
export const USE_UNKNOWN = "use-unknown";

/** The reason of a payment with its count, for a transition that keeps both. */
export function reasonOf({
  reason,
  reasonCount,
}: Pick<PaymentRow, "reason" | "reasonCount">): Pick<Transition, "reason" | "reasonCount"> {
  return { ...(reason === undefined ? {} : { reason }), ...(reasonCount === undefined ? {} : { reasonCount }) };
}

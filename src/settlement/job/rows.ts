import type { Hex } from "viem";
import { transactionOf } from "../../journal/ports/evidence.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import { isReason, isRejection, REASONS } from "../../reasons.ts";
import type { Admission } from "../intake/admit.ts";
import type { PaymentOutcome } from "../outcome/results.ts";

/**
 * The outcome that a payment's row means for its job.
 * @param when Whether this run settled it, or an earlier run had sent it already.
 * @param sentIn The transaction that carries the payment, if it is on its way and its evidence names none.
 */
export function outcomeOf(row: PaymentRow, when: "now" | "before", sentIn?: Hex): PaymentOutcome {
  const { evidence, state } = row;
  switch (state) {
    case "queued":
      return queued(row);
    case "batched":
    case "submitted":
      return pending(row, transactionOf(row) ?? sentIn);
    case "settled":
      if (evidence.kind !== "transfer") break;
      return {
        status: "settled",
        when,
        transactionHash: evidence.transactionHash,
        blockNumber: evidence.blockNumber,
        logIndex: evidence.logIndex,
        // The shares add up to what this run paid, so a payment of an earlier run has none.
        gasShare: when === "now" ? evidence.gasShare : undefined,
      };
    case "settled-elsewhere":
    case "already-used":
      return used(row);
    case "rejected":
    case "expired":
      return refused(row);
    case "cancelled":
      if (evidence.kind === "request") {
        return { status: "not-attempted", message: "it was cancelled in the journal; a retry puts it back" };
      }
      return rejection("cancelled", REASONS.cancelled.meaning, transactionOf(row));
  }
  return rejection("refused", `the journal has no transfer for it (${evidence.kind})`, transactionOf(row));
}

/** The outcome of a submission that was not stored. A used nonce is looked up elsewhere. */
export function outcomeOfRefusal({ reason, message }: Admission & { status: "refused" }): PaymentOutcome {
  if (isRejection(reason)) return { status: "rejected", reason, message };
  if (reason === "undeployed-wallet") return { status: "rejected", reason: "bad-signature", message };
  return { status: "not-attempted", message };
}

/** Whether a queued payment was looked at and put off, so nothing more happens to it soon. */
export function isPutOff(row: PaymentRow): boolean {
  const { evidence } = row;
  return row.state === "queued" && evidence.kind === "returned" && evidence.transactionHash === undefined;
}

function pending({ id }: PaymentRow, transactionHash: Hex | undefined): PaymentOutcome {
  if (transactionHash === undefined) throw new Error(`payment ${id} is on its way without a transaction`);
  return { status: "pending", transactionHash };
}

function queued(row: PaymentRow): PaymentOutcome {
  const { evidence, work } = row;
  if (work.kind === "authorization" && isPutOff(row) && row.nextTryAtMs > row.updatedAtMs) {
    const validFromSeconds = work.authorization.validAfter + 1n;
    if (validFromSeconds * 1000n >= BigInt(row.nextTryAtMs)) return { status: "deferred", validFromSeconds };
  }
  return { status: "not-attempted", message: evidence.kind === "returned" ? evidence.why : "not sent in this run" };
}

function used(row: PaymentRow): PaymentOutcome {
  const { evidence } = row;
  if (evidence.kind !== "nonce-use") return rejection("already-used", "its nonce is used", transactionOf(row));
  const { use, transactionHash, blockNumber, logIndex } = evidence;
  if (use === "settled" && transactionHash !== undefined && logIndex !== undefined) {
    return { status: "settled", when: "elsewhere", transactionHash, blockNumber, logIndex, gasShare: undefined };
  }
  const message =
    use === "used-by-variant"
      ? "the nonce was used for other terms that the payer signed"
      : REASONS["already-used"].meaning;
  return rejection("already-used", message, transactionHash);
}

function refused(row: PaymentRow): PaymentOutcome {
  const { evidence } = row;
  if (evidence.kind === "refusal") return rejection(evidence.reason, evidence.message, evidence.transactionHash);
  if (row.state === "expired") return rejection("expired", `expired at ${row.deadlineSeconds}`, undefined);
  return rejection(row.reason ?? "refused", `the journal says ${row.state}`, transactionOf(row));
}

function rejection(reason: string, message: string, transactionHash: Hex | undefined): PaymentOutcome {
  const known = isReason(reason) && isRejection(reason) ? reason : "refused";
  return { status: "rejected", reason: known, message, ...(transactionHash === undefined ? {} : { transactionHash }) };
}

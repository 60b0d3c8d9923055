import type { Hex } from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { DropReason } from "../../batch/index.ts";
import { REASONS, type RejectionReason } from "../../reasons.ts";

/** What became of one payment. */
export type PaymentOutcome =
  /**
   * Proved by the token's own logs. `logIndex` is the Transfer's, `gasShare` this payment's part of the transaction's
   * gas. `when`: this run settled it, an earlier run on the same journal did, or somebody else.
   */
  | {
      readonly status: "settled";
      readonly when: "now" | "before" | "elsewhere";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly logIndex: number;
      readonly gasShare: bigint | undefined;
    }
  /**
   * No money moved by it. It names a transaction if one is known to be the reason, such as the one in which the token
   * refused it.
   */
  | {
      readonly status: "rejected";
      readonly reason: RejectionReason;
      readonly message: string;
      readonly transactionHash?: Hex;
      readonly gasShare?: bigint;
    }
  /** Not valid yet; the token takes it from `validFromSeconds` (Unix time) on. Run again then. */
  | { readonly status: "deferred"; readonly validFromSeconds: bigint }
  /** Not sent, or sent and not reached. Run again. */
  | { readonly status: "not-attempted"; readonly message: string }
  /** Sent, and not known to be mined: it may settle at any moment. Run again to learn; it is not failed. */
  | { readonly status: "pending"; readonly transactionHash: Hex };

/**
 * A payment of a job. What else the caller keeps with it (an order's number, a line of a file) comes back with its
 * result.
 */
export type JobPayment = { readonly authorization: SignedAuthorization };

/** One payment of a job, as it was given, and what became of it. */
export type PaymentResult<Payment extends JobPayment = JobPayment> = Payment & { readonly outcome: PaymentOutcome };

/** The outcome of a payment that the job has already, perhaps with another signature that is good too. */
export const DUPLICATE: PaymentOutcome & { status: "rejected" } = {
  status: "rejected",
  reason: "duplicate",
  message: REASONS.duplicate.meaning,
};

/** A payment that no plan takes, as an outcome. */
export function rejectionOf(reason: DropReason): PaymentOutcome & { status: "rejected" } {
  return { status: "rejected", reason: reason.kind, message: messageOf(reason) };
}

/** What a reason means, with the values at hand. */
function messageOf(reason: DropReason): string {
  switch (reason.kind) {
    case "underfunded":
      return `the payer has ${reason.balance}, the payment takes ${reason.value}`;
    case "over-committed":
      return `the payer has ${reason.balance}, of which earlier payments take ${reason.committed} and this one ${reason.value}`;
    case "expired":
      return `expired at ${reason.validBefore}`;
    case "never-valid":
      return `no second lies between validAfter ${reason.validAfter} and validBefore ${reason.validBefore}`;
    case "expires-too-soon":
      return `expires at ${reason.validBefore}, too soon to be mined for sure`;
    case "below-minimum":
      return `the value ${reason.value} is below the minimum of ${reason.minimumValue}`;
    case "above-gas-cap":
      return `it needs ${reason.gas} gas, more than the cap of ${reason.cap}`;
    case "above-calldata-cap":
      return `it needs ${reason.bytes} bytes of calldata, more than the cap of ${reason.cap}`;
    default:
      return REASONS[reason.kind].meaning;
  }
}

import type { PaymentRow } from "../../journal/ports/payments.ts";
import { isReason, REASONS, type RetryRule } from "../../reasons.ts";

/**
 * What to do with a payment in its current state. For a rejected one: whether another try is worth it if somebody asks
 * for one.
 */
export function retryRuleOf({ state, reason }: Pick<PaymentRow, "state" | "reason">): RetryRule {
  switch (state) {
    case "queued":
      return "now";
    case "batched":
    case "submitted":
      return "hold";
    case "rejected":
      return reason !== undefined && isReason(reason) ? REASONS[reason].retry : "never";
    default:
      return "never";
  }
}

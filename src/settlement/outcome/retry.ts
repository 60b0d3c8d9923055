import type { PaymentState } from "../../journal/ports/payments.ts";
import type { RefusalReason } from "../../router/index.ts";

/** What to do with a payment next. */
export type RetryRule =
  /** It may go into the next batch. */
  | "now"
  /** What the token holds against it may pass before its deadline. */
  | "until-deadline"
  /** It can never settle, or an operator must look at it first. */
  | "never"
  /** Its outcome is unknown: nothing is sent for it until there is evidence. */
  | "hold";

/** The retry rule of what the token said. A gas burner is quarantined: only an operator's retry sends it again. */
const rules: Readonly<Record<RefusalReason, RetryRule>> = {
  "already-used": "never",
  expired: "never",
  "bad-signature": "never",
  "gas-capped": "never",
  refused: "never",
  "not-yet-valid": "until-deadline",
  underfunded: "until-deadline",
  blocked: "until-deadline",
  "token-paused": "until-deadline",
};

/** The retry rule after a refusal. */
export function retryRuleOf(reason: RefusalReason): RetryRule {
  return rules[reason];
}

/** The retry rule of a state. */
export function retryRuleOfState(state: PaymentState): RetryRule {
  if (state === "queued") return "now";
  return state === "batched" || state === "submitted" ? "hold" : "never";
}

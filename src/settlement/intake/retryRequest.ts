import { type RetryRule, retryRuleOf } from "../outcome/retry.ts";

/**
 * The retry rule of a rejected payment's reason, for whoever asks for another try: besides what the token may take back,
 * everything that was only a matter of the policy or of the other payments of its time.
 */
export function retryRuleOfReason(reason: string | undefined): RetryRule {
  switch (reason) {
    case "already-used":
    case "expired":
    case "not-yet-valid":
    case "bad-signature":
    case "underfunded":
    case "blocked":
    case "token-paused":
    case "gas-capped":
    case "refused":
      return retryRuleOf(reason);
    case "below-minimum":
    case "above-gas-cap":
    case "above-calldata-cap":
    case "over-committed":
    case "payer-held":
    case "missing-token":
      return "until-deadline";
    default:
      return "never";
  }
}

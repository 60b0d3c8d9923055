import { authorizationId } from "../authorization/identity.ts";
import type { ResolvedLimits } from "./limits.ts";
import type { DropReason, PlanInput, PlannablePayment, TokenKey } from "./types.ts";

const ZERO_ADDRESS = "0x0000000000000000000000000000000000000000";

/**
 * Why one payment cannot or should not be settled now, whatever else is in the plan; undefined if it can. Reasons that
 * can never change come first.
 */
export function findDefect(
  payment: PlannablePayment,
  token: TokenKey,
  input: PlanInput,
  limits: ResolvedLimits,
): DropReason | undefined {
  const { from, to, value, validAfter, validBefore } = payment;
  if (validBefore <= input.nowSeconds) return { kind: "expired", validBefore };
  // Both bounds are exclusive: validAfter + 1 is the first second, validBefore − 1 the last.
  if (validAfter + 1n >= validBefore) return { kind: "never-valid", validAfter, validBefore };
  if (to === ZERO_ADDRESS) return { kind: "zero-payee" };
  const used = input.usedAuthorizations;
  if (used !== undefined && used.size > 0 && used.has(authorizationId(payment))) return { kind: "already-used" };

  const earliestDeadline = latest(input.nowSeconds, validAfter) + limits.safetyMarginSeconds;
  if (validBefore <= earliestDeadline) return { kind: "expires-too-soon", validBefore, earliestDeadline };
  if (input.missingTokens?.has(token)) return { kind: "missing-token" };
  const held = input.heldPayers;
  if (held !== undefined && held.size > 0 && held.has(from.toLowerCase())) return { kind: "payer-held" };
  if (value < limits.minimumValue) return { kind: "below-minimum", value, minimumValue: limits.minimumValue };
  return undefined;
}

/** Whether the token would now answer that the payment is not yet valid. */
export function isDeferred(payment: PlannablePayment, nowSeconds: bigint): boolean {
  return payment.validAfter >= nowSeconds;
}

function latest(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

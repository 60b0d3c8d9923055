import { type Fees, type Market, offer } from "../../chain/fees/fees.ts";
import type { FeePolicy } from "../policy.ts";

/**
 * Fees of a replacement: both fields are at least a step above the last attempt (nodes compare both), or what the
 * market asks now if that is more. Undefined if a ceiling leaves no room for a step: then the last attempt is only sent
 * again.
 */
export function replacementFees(last: Fees, market: Market, policy: FeePolicy): Fees | undefined {
  const now = offer(market, policy);
  const maxFeePerGas = max(step(last.maxFeePerGas, policy), now.maxFeePerGas);
  const tip = max(step(last.maxPriorityFeePerGas, policy), now.maxPriorityFeePerGas);
  if (maxFeePerGas > policy.ceilingWei || tip > policy.tipCeilingWei) return undefined;
  return { maxFeePerGas, maxPriorityFeePerGas: tip < maxFeePerGas ? tip : maxFeePerGas };
}

/** Rounded up, so that the step is never smaller than the policy says; at least 1 wei. */
function step(fee: bigint, { bumpPermille }: FeePolicy): bigint {
  return fee + max((fee * bumpPermille + 999n) / 1000n, 1n);
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

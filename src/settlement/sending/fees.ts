import { type FeeBounds, type Fees, type Market, offer } from "../../chain/fees/fees.ts";
import { max } from "../../money.ts";

/** The step of a replacement. Nodes want at least 100 (10 %), and this leaves room for their rounding. */
const BUMP_PERMILLE = 125n;

/**
 * Fees of a replacement: both fields are at least a step above the last attempt (nodes compare both), or what the
 * market asks now if that is more. Undefined if a ceiling leaves no room for a step: then the last attempt is only sent
 * again.
 */
export function replacementFees(last: Fees, market: Market, bounds: FeeBounds): Fees | undefined {
  const now = offer(market, bounds);
  const maxFeePerGas = max(step(last.maxFeePerGas), now.maxFeePerGas);
  const tip = max(step(last.maxPriorityFeePerGas), now.maxPriorityFeePerGas);
  if (maxFeePerGas > bounds.ceilingWei || tip > bounds.tipCeilingWei) return undefined;
  return { maxFeePerGas, maxPriorityFeePerGas: tip < maxFeePerGas ? tip : maxFeePerGas };
}

/** Rounded up, so that the step is never smaller than {@link BUMP_PERMILLE}; at least 1 wei. */
function step(fee: bigint): bigint {
  return fee + max((fee * BUMP_PERMILLE + 999n) / 1000n, 1n);
}

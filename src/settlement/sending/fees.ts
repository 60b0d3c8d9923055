import type { Fees } from "../../chain/fees.ts";

/** Bounds of what is offered per gas, in wei, and the step of a replacement in thousandths. */
export type FeePolicy = {
  readonly floorWei: bigint;
  readonly ceilingWei: bigint;
  /** Nodes want at least 100 (10 %); 125 leaves room for their rounding. */
  readonly bumpPermille: bigint;
};

/** Fees of a first attempt: the base fee may double, and the tip is the node's suggestion, both within the policy. */
export function firstFees(market: { baseFeePerGas: bigint; tip: bigint }, policy: FeePolicy): Fees {
  const wanted = market.baseFeePerGas * 2n + market.tip;
  return within(wanted, market.tip, policy);
}

/**
 * Fees of a replacement: both fields at least a step above the last attempt (nodes compare both), or what the market asks
 * now if that is more. Undefined where the ceiling leaves no room for a step: then the last attempt is only sent again.
 */
export function replacementFees(
  last: Fees,
  market: { baseFeePerGas: bigint; tip: bigint },
  policy: FeePolicy,
): Fees | undefined {
  const now = firstFees(market, policy);
  const maxFeePerGas = max(step(last.maxFeePerGas, policy), now.maxFeePerGas);
  const maxPriorityFeePerGas = max(step(last.maxPriorityFeePerGas, policy), now.maxPriorityFeePerGas);
  if (maxFeePerGas > policy.ceilingWei) return undefined;
  return { maxFeePerGas, maxPriorityFeePerGas: min(maxPriorityFeePerGas, maxFeePerGas) };
}

/** Rounded up, so that the step is never smaller than the policy says; at least 1 wei. */
function step(fee: bigint, { bumpPermille }: FeePolicy): bigint {
  return fee + max((fee * bumpPermille + 999n) / 1000n, 1n);
}

function within(maxFee: bigint, tip: bigint, { floorWei, ceilingWei }: FeePolicy): Fees {
  const maxFeePerGas = min(max(maxFee, floorWei), ceilingWei);
  return { maxFeePerGas, maxPriorityFeePerGas: min(tip, maxFeePerGas) };
}

function max(a: bigint, b: bigint): bigint {
  return a > b ? a : b;
}

function min(a: bigint, b: bigint): bigint {
  return a < b ? a : b;
}

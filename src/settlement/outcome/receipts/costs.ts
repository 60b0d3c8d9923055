import type { TransactionReceipt } from "viem";

/** Part `index` of `total`, split into `parts` parts that differ by at most one and add up exactly. */
export function shareOf(total: bigint, parts: number, index: number): bigint {
  const [each, rest] = [total / BigInt(parts), total % BigInt(parts)];
  return BigInt(index) < rest ? each + 1n : each;
}

/** The data fee that an OP-stack node reports in a receipt, in wei; elsewhere there is none. */
export function dataFeeOf(receipt: TransactionReceipt): bigint {
  const { l1Fee } = receipt as { l1Fee?: unknown };
  return typeof l1Fee === "bigint" ? l1Fee : typeof l1Fee === "string" ? BigInt(l1Fee) : 0n;
}

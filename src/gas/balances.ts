import { CLEAR_REFUND, COLD_SLOT_SURCHARGE, SSTORE_RESET_GAS, SSTORE_SET_GAS, SSTORE_WARM_GAS } from "./evm.ts";

/**
 * What is known about one account's balance at the token: the balance, or only that it is at least this much. A payee
 * of an earlier batch, for example, is known not to be at zero.
 */
export type BalanceKnowledge = { readonly known: bigint } | { readonly atLeast: bigint };

/** Storage gas of one balance slot in one transaction and the refunds that it earns, each with bounds. */
export type SlotGas = {
  readonly lowSpent: number;
  readonly highSpent: number;
  readonly lowRefund: number;
  readonly highRefund: number;
};

/**
 * Storage gas of one balance slot that `deltas` change, in order, in one transaction in which nothing fails. It counts
 * the cold surcharge and the SSTOREs, not the SLOADs.
 *
 * If the balance is unknown, there are only two cases. A balance never goes below zero, so the lowest sum of the first
 * deltas gives the least that it was. Either it was exactly that, and reaches zero there; or it was higher, and never
 * does.
 */
export function balanceSlotGas(balance: BalanceKnowledge, deltas: readonly bigint[]): SlotGas {
  if ("known" in balance) {
    const { spent, refund } = writeSlot(balance.known, deltas);
    return { lowSpent: spent, highSpent: spent, lowRefund: refund, highRefund: refund };
  }
  const least = leastBalance(balance.atLeast, deltas);
  const above = writeSlot(least + 1n, deltas);
  const at = writeSlot(least, deltas);
  return {
    lowSpent: Math.min(above.spent, at.spent),
    highSpent: Math.max(above.spent, at.spent),
    lowRefund: Math.min(above.refund, at.refund),
    highRefund: Math.max(above.refund, at.refund),
  };
}

/** What is known about a balance after `deltas`. */
export function balanceAfter(balance: BalanceKnowledge, deltas: readonly bigint[]): BalanceKnowledge {
  let change = 0n;
  for (const delta of deltas) change += delta;
  if ("known" in balance) return { known: balance.known + change };
  return { atLeast: leastBalance(balance.atLeast, deltas) + change };
}

/** The least that an account with at least `floor` must have held for all of `deltas` to settle. */
function leastBalance(floor: bigint, deltas: readonly bigint[]): bigint {
  let sum = 0n;
  let least = floor;
  for (const delta of deltas) {
    sum += delta;
    if (-sum > least) least = -sum;
  }
  return least;
}

/**
 * The cold surcharge and the SSTOREs (EIP-2200 as amended by EIP-2929 and EIP-3529) of a slot that holds `original`.
 */
function writeSlot(original: bigint, deltas: readonly bigint[]): { spent: number; refund: number } {
  let current = original;
  let spent = COLD_SLOT_SURCHARGE;
  let refund = 0;
  for (const delta of deltas) {
    const next = current + delta;
    if (next === current) {
      spent += SSTORE_WARM_GAS;
      continue;
    }
    if (current === original) {
      spent += original === 0n ? SSTORE_SET_GAS : SSTORE_RESET_GAS;
      if (next === 0n) refund += CLEAR_REFUND;
    } else {
      spent += SSTORE_WARM_GAS;
      if (original !== 0n) {
        if (current === 0n) refund -= CLEAR_REFUND;
        else if (next === 0n) refund += CLEAR_REFUND;
      }
      // Back at the original value: everything except the price of a warm access is refunded.
      if (next === original) refund += (original === 0n ? SSTORE_SET_GAS : SSTORE_RESET_GAS) - SSTORE_WARM_GAS;
    }
    current = next;
  }
  return { spent, refund };
}

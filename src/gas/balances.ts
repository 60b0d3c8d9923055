import { CLEAR_REFUND, COLD_SLOT_SURCHARGE, SSTORE_RESET_GAS, SSTORE_SET_GAS, SSTORE_WARM_GAS } from "./evm.ts";

/**
 * What is known of one account's balance at the token: the balance, or no more than that it is at least so much. A payee
 * of an earlier batch, for one, is known not to be at zero.
 */
export type BalanceKnowledge = { readonly known: bigint } | { readonly atLeast: bigint };

/** Storage gas of one balance slot in one transaction and the refunds that it earns, as bounds of both. */
export type SlotGas = {
  readonly lowSpent: number;
  readonly highSpent: number;
  readonly lowRefund: number;
  readonly highRefund: number;
};

/**
 * Storage gas of one balance slot that changes by `deltas`, in order, in one transaction in which nothing fails: its cold
 * surcharge and its SSTOREs, not its SLOADs.
 *
 * Without the balance there are but two cases. A balance never goes below zero, so the lowest sum of the first deltas says
 * how high it was at least: either it was exactly that high, and is at zero there, or it was higher, and never is.
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

/** What is known of a balance after `deltas`. */
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

/** Cold surcharge and SSTOREs (EIP-2200 as amended by EIP-2929 and EIP-3529) of a slot with `original` in it. */
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
      // Back at the original value: all but the price of a warm access comes back.
      if (next === original) refund += (original === 0n ? SSTORE_SET_GAS : SSTORE_RESET_GAS) - SSTORE_WARM_GAS;
    }
    current = next;
  }
  return { spent, refund };
}

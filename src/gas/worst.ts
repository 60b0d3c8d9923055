import { ROUTER_RESERVE_GAS } from "../router/wire.ts";
import type { GasModel } from "./constants.ts";
import {
  COLD_ACCOUNT_SURCHARGE,
  COLD_SLOT_SURCHARGE,
  SSTORE_RESET_GAS,
  SSTORE_SET_GAS,
  SSTORE_WARM_GAS,
} from "./evm.ts";
import { type GasItem, itemGasAround, itemGasInToken } from "./predict.ts";

/** What a batch that is being filled knows about an account. */
export type AccountUse = {
  /** Whether an earlier item of the batch has it as its payer, or as its payee. */
  readonly asPayer: boolean;
  readonly asPayee: boolean;
};

/**
 * The most that one item takes from its batch if the payer has no code, whatever happens to it and to those before it.
 * Refunds do not count: the gas limit must cover the gas before they come.
 *
 * A failed item rolls its first touches back, and the next item with that account pays for them again. That is covered:
 * the failed item left at least as much unspent, or cost no more than `failedTransferGas`, which is the least that this
 * returns.
 */
export function worstItemGas(
  item: Pick<GasItem, "form" | "overload" | "signatureBytes">,
  payer: AccountUse,
  payee: AccountUse & { readonly surelyNotEmpty: boolean },
  model: GasModel,
): number {
  const around = itemGasAround(item, model);
  const fromZero = payee.surelyNotEmpty ? SSTORE_RESET_GAS : SSTORE_SET_GAS;
  const settled =
    itemGasInToken(item, model.token) +
    (payer.asPayer ? 0 : COLD_ACCOUNT_SURCHARGE) +
    slotGas(payer.asPayer, payer.asPayee, SSTORE_RESET_GAS) +
    slotGas(payee.asPayee, payee.asPayer, fromZero);
  const failed = model.token.failedTransferGas + model.router.failedItemGas;
  return around + Math.max(settled, failed);
}

/** The most that one item of a payer with code takes from its batch: it uses all of its allowance, and then fails. */
export function worstCodeItemGas(
  item: Pick<GasItem, "form" | "signatureBytes">,
  allowance: bigint,
  model: GasModel,
): number {
  return itemGasAround(item, model) + Number(allowance) + model.router.failedItemGas;
}

/** The gas that the router wants to have left before it starts an item with this allowance. */
export function itemDemandGas(allowance: bigint): number {
  return Number(allowance + allowance / 63n + 1n + ROUTER_RESERVE_GAS);
}

/** What a batch uses before its first item, without calldata. */
export function openingGas({ router, token }: GasModel): number {
  return router.baseGas + COLD_ACCOUNT_SURCHARGE + token.firstUseGas;
}

/**
 * A slot that went both up and down may be back at its first value. A write then costs as much as a first one again.
 */
function slotGas(before: boolean, otherWay: boolean, clean: number): number {
  if (before) return otherWay ? clean : SSTORE_WARM_GAS;
  return otherWay ? clean : COLD_SLOT_SURCHARGE + clean;
}

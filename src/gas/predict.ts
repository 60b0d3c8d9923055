import { type BalanceKnowledge, balanceSlotGas } from "./balances.ts";
import type { GasModel, TokenGas } from "./constants.ts";
import { type CalldataBytes, COLD_ACCOUNT_SURCHARGE, chargedGas, intrinsicGas } from "./evm.ts";

/** Gas used: one figure if everything that it depends on is known, bounds otherwise. */
export type GasPrediction =
  | { readonly kind: "exact"; readonly gas: bigint }
  | { readonly kind: "interval"; readonly low: bigint; readonly high: bigint };

/**
 * One authorization as the model sees it. The caller numbers the accounts: equal numbers mean equal accounts, for
 * payers and payees alike.
 */
export type GasItem = {
  readonly payer: number;
  readonly payee: number;
  readonly value: bigint;
  readonly form: "compact" | "wide";
  readonly overload: "vrs" | "bytes";
  readonly signatureBytes: number;
  /** For a payer with code: the most gas that its item may use. Its code decides how much it uses. */
  readonly codeAllowance?: bigint | undefined;
};

/** A transaction to predict. `deltas` are the {@link balanceDeltas} of its items. */
export type GasQuestion = {
  readonly calldata: CalldataBytes;
  /** In the order of execution. */
  readonly items: readonly GasItem[];
  readonly deltas: ReadonlyMap<number, readonly bigint[]>;
  readonly balanceOf: (account: number) => BalanceKnowledge;
  readonly model: GasModel;
  /** The account that sends the transaction, if it may be one of the payers. Its address is warm from the start. */
  readonly sender?: number | undefined;
};

const SIGNATURE_WORD_BYTES = 32;
const ECDSA_GAS = 3_000;

/**
 * Gas used by a transaction that calls the router with a batch in which every item settles. Failed items cost less than
 * settled ones, except for the code of payers: see `FAILED_ITEM_GAS`.
 */
export function predictRouterGas(question: GasQuestion): GasPrediction {
  const { router } = question.model;
  let around = router.baseGas + COLD_ACCOUNT_SURCHARGE;
  for (const item of question.items) around += itemGasAround(item, question.model);
  return predict(question, around);
}

/**
 * Gas used by a transaction that calls the token's `transferWithAuthorization` itself for its one item, if that
 * settles.
 */
export function predictDirectGas(question: GasQuestion): GasPrediction {
  return predict(question, question.model.token.directGas);
}

/** What each account pays (negative) and receives, in the order of execution. */
export function balanceDeltas(items: readonly GasItem[]): Map<number, bigint[]> {
  const deltas = new Map<number, bigint[]>();
  for (const { payer, payee, value } of items) {
    push(deltas, payer, -value);
    push(deltas, payee, value);
  }
  return deltas;
}

/** What the router spends around one item's call. */
export function itemGasAround(item: Pick<GasItem, "form" | "signatureBytes">, { router }: GasModel): number {
  if (item.form === "compact") return router.compactItemGas;
  return router.wideItemGas + router.signatureWordGas * extraSignatureWords(item.signatureBytes);
}

/** What the token spends on one item, without its balance slots and without first touches. */
export function itemGasInToken(item: Pick<GasItem, "overload">, token: TokenGas): number {
  return token.transferGas + (item.overload === "bytes" ? token.bytesOverloadGas : 0);
}

function predict(question: GasQuestion, around: number): GasPrediction {
  const { calldata, items, deltas, model } = question;
  const payers = new Set<number>();
  const spent = intrinsicGas(calldata) + model.token.firstUseGas + around;
  let low = spent;
  let high = spent;
  for (const item of items) {
    const gas = itemGasInToken(item, model.token);
    if (!payers.has(item.payer) && item.payer !== question.sender) {
      low += COLD_ACCOUNT_SURCHARGE;
      high += COLD_ACCOUNT_SURCHARGE;
    }
    payers.add(item.payer);
    // The payer's code replaces the ECDSA recovery and may use up its allowance.
    low += item.codeAllowance === undefined ? gas : gas - ECDSA_GAS;
    high += item.codeAllowance === undefined ? gas : gas + Number(item.codeAllowance);
  }

  let lowRefund = 0;
  let highRefund = 0;
  for (const [account, changes] of deltas) {
    const slot = balanceSlotGas(question.balanceOf(account), changes);
    low += slot.lowSpent;
    high += slot.highSpent;
    lowRefund += slot.lowRefund;
    highRefund += slot.highRefund;
  }
  const lowest = chargedGas(calldata, low, highRefund);
  const highest = chargedGas(calldata, high, lowRefund);
  return lowest === highest
    ? { kind: "exact", gas: BigInt(lowest) }
    : { kind: "interval", low: BigInt(lowest), high: BigInt(highest) };
}

/** 32-byte words of a signature beyond the three that an ECDSA signature takes. */
function extraSignatureWords(bytes: number): number {
  return Math.max(0, Math.ceil(bytes / SIGNATURE_WORD_BYTES) - 3);
}

function push(deltas: Map<number, bigint[]>, account: number, delta: bigint): void {
  const list = deltas.get(account);
  if (list === undefined) deltas.set(account, [delta]);
  else list.push(delta);
}

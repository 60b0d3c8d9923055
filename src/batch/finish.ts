import type { Address } from "viem";
import {
  type BalanceKnowledge,
  balanceAfter,
  balanceDeltas,
  type CalldataBytes,
  directCalldata,
  type GasItem,
  type GasModel,
  type GasPrediction,
  gasLimitFor,
  predictDirectGas,
  predictRouterGas,
  routerCalldata,
} from "../gas/index.ts";
import type { RouterItem } from "../router/index.ts";
import { comparePayments, compareTokens } from "./compare.ts";
import { type Filling, shapeOf } from "./fill.ts";
import { isCodePayer, overloadOf } from "./form.ts";
import type { ResolvedLimits } from "./limits.ts";
import type { PaymentTable } from "./table.ts";
import type { DropReason, PlannedBatch } from "./types.ts";

export type FinishContext = {
  readonly table: PaymentTable;
  readonly limits: ResolvedLimits;
  readonly model: GasModel;
  readonly balances: readonly (bigint | undefined)[];
  readonly sender: Address | undefined;
  readonly drop: (index: number, reason: DropReason) => void;
};

type Draft = {
  readonly indices: readonly number[];
  readonly items: readonly RouterItem[];
  readonly executionGas: number;
  readonly bytes: CalldataBytes;
  /** The payment with the earliest deadline. */
  readonly first: number;
};

type Deltas = ReadonlyMap<number, readonly bigint[]>;

const UNKNOWN: BalanceKnowledge = { atLeast: 0n };

/**
 * Sorts the batches into the order in which to send them, by their earliest deadline. Works out the gas of each as if
 * the ones before it had settled. Drops single payments that exceed a cap on their own.
 */
export function finishBatches(fillings: Filling[], context: FinishContext): PlannedBatch[] {
  const { table } = context;
  const drafts = fillings.map(({ plain, code, executionGas, bytes }) => {
    const indices = plain.indices.concat(code.indices);
    const items = plain.items.concat(code.items);
    return { indices, items, executionGas, bytes, first: earliest(table, indices) };
  });
  drafts.sort(
    (a, b) =>
      table.deadline[a.first]! - table.deadline[b.first]! ||
      compareTokens(table, a.first, b.first) ||
      comparePayments(table, a.first, b.first),
  );

  const uses = countUses(table, drafts);
  const changed = new Map<number, BalanceKnowledge>();
  const balanceOf = (account: number): BalanceKnowledge => {
    const later = changed.get(account);
    if (later !== undefined) return later;
    const known = context.balances[account];
    return known === undefined ? UNKNOWN : { known };
  };

  const batches: PlannedBatch[] = [];
  for (const draft of drafts) {
    const gasItems = draft.items.map((item, at) => toGasItem(item, draft.indices[at]!));
    const deltas = balanceDeltas(gasItems);
    const batch = draft.items.length === 1 ? direct(draft, gasItems, deltas) : routed(draft, gasItems, deltas);
    if (batch !== undefined) {
      batches.push(batch);
      for (const [account, list] of deltas) changed.set(account, balanceAfter(balanceOf(account), list));
    }
    for (const [account, list] of deltas) {
      uses[account]! -= list.length;
      // No later batch asks for it.
      if (uses[account] === 0) changed.delete(account);
    }
  }
  return batches;

  function routed({ indices, items, executionGas, bytes, first }: Draft, gasItems: GasItem[], deltas: Deltas) {
    const { limits, model } = context;
    const { token, chainId } = table.payments[first]!;
    const calldata = routerCalldata({ token, gasAllowance: limits.gasAllowance, items }, bytes);
    const question = { calldata, items: gasItems, deltas, balanceOf, model, sender: senderOf(first) };
    const gasLimit = BigInt(gasLimitFor(calldata, executionGas));
    return {
      kind: "router" as const,
      chainId,
      token,
      items,
      codePayers: gasItems.filter(({ codeAllowance }) => codeAllowance !== undefined).length,
      gasAllowance: limits.gasAllowance,
      gasLimit,
      predictedGas: within(gasLimit, predictRouterGas(question)),
      calldataBytes: calldata.zero + calldata.nonZero,
      ...sums(indices, first),
    };
  }

  function direct({ items, first: index }: Draft, gasItems: GasItem[], deltas: Deltas): PlannedBatch | undefined {
    const { limits, model } = context;
    const payment = table.payments[index]!;
    const isCode = isCodePayer(payment, payment.payerHasCode);
    const calldata = directCalldata(payment, overloadOf(payment, payment.payerHasCode));
    const gasAllowance = isCode ? limits.codePayerAllowance : limits.gasAllowance;
    const gasLimit = BigInt(gasLimitFor(calldata, Number(gasAllowance)));
    const calldataBytes = calldata.zero + calldata.nonZero;
    if (gasLimit > limits.gasCap) {
      context.drop(index, { kind: "above-gas-cap", gas: gasLimit, cap: limits.gasCap });
      return undefined;
    }
    if (calldataBytes > limits.maxCalldataBytes) {
      context.drop(index, { kind: "above-calldata-cap", bytes: calldataBytes, cap: limits.maxCalldataBytes });
      return undefined;
    }
    const question = { calldata, items: gasItems, deltas, balanceOf, model, sender: senderOf(index) };
    return {
      kind: "direct",
      chainId: payment.chainId,
      token: payment.token,
      items,
      codePayers: isCode ? 1 : 0,
      gasAllowance,
      gasLimit,
      predictedGas: within(gasLimit, predictDirectGas(question)),
      calldataBytes,
      ...sums([index], index),
    };
  }

  function toGasItem(item: RouterItem, index: number): GasItem {
    const payment = table.payments[index]!;
    const isCode = isCodePayer(payment, payment.payerHasCode);
    return {
      ...shapeOf(item),
      payer: table.payer[index]!,
      payee: table.payee[index]!,
      value: payment.value,
      codeAllowance: isCode ? context.limits.codePayerAllowance : undefined,
    };
  }

  function senderOf(index: number): number | undefined {
    if (context.sender === undefined) return undefined;
    return table.tokens[table.token[index]!]!.accounts.get(context.sender.toLowerCase());
  }

  function sums(indices: readonly number[], first: number) {
    let value = 0n;
    for (const index of indices) value += table.payments[index]!.value;
    return { value, earliestDeadline: table.payments[first]!.validBefore };
  }
}

/** The payment that comes first in the order of payments, and so has the earliest deadline. */
function earliest(table: PaymentTable, indices: readonly number[]): number {
  let first = indices[0]!;
  for (const index of indices) if (comparePayments(table, index, first) < 0) first = index;
  return first;
}

/** No transaction uses more than its limit, whatever a payer's code does. */
function within(gasLimit: bigint, gas: GasPrediction): GasPrediction {
  return gas.kind === "exact" || gas.high <= gasLimit ? gas : { ...gas, high: gasLimit };
}

/** How often each account pays or is paid in all batches. */
function countUses(table: PaymentTable, drafts: readonly Draft[]): Uint32Array {
  const uses = new Uint32Array(table.addresses.length);
  for (const { indices } of drafts) {
    for (const index of indices) {
      uses[table.payer[index]!]! += 1;
      uses[table.payee[index]!]! += 1;
    }
  }
  return uses;
}

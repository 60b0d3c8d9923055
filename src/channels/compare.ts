import type { Hex } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import { TributaryError } from "../errors.ts";
import type { DataFeeInputs } from "../fees/index.ts";
import {
  balanceDeltas,
  CANONICAL_CHANNEL_GAS,
  type ChannelGas,
  CIRCLE_USDC_GAS,
  claimGas,
  depositGas,
  directCalldata,
  type GasItem,
  type GasModel,
  type GasPrediction,
  itemBytes,
  predictDirectGas,
  predictRouterGas,
  ROUTER_GAS,
  routerCalldata,
} from "../gas/index.ts";
import { type DataCosts, dataCostsOf } from "./dataCosts.ts";

/** Payments that a merchant expects or had. Each payer pays one payee, and payers are spread evenly over payees. */
export type TrafficProfile = {
  /** How many accounts pay. */
  readonly payers: number;
  /** How many accounts are paid. */
  readonly payees: number;
  /** Atomic units of a dollar token with six decimals, such as USDC. */
  readonly amount: bigint;
  /** Over the whole session. */
  readonly paymentsPerPayer: number;
  /** How long payers keep paying. */
  readonly sessionHours: number;
};

/** Prices, and how channels are kept and batches filled. */
export type CompareOptions = {
  /** Price per gas in wei. */
  readonly gasPriceWei: bigint;
  /** Price of one ether in millionths of a dollar. */
  readonly etherMicroUsd: bigint;
  /** The price of data on an OP-stack chain, see `readDataFeeInputs`. If it is left out, data costs nothing. */
  readonly dataFee?: DataFeeInputs | undefined;
  /** Gas of token and router. By default those of Circle's USDC. */
  readonly gasModel?: GasModel;
  /** Gas of the channel contract. By default that of the canonical one. */
  readonly channelGas?: ChannelGas;
  /** How many payments share a batch. 300 by default, which is also the most. */
  readonly paymentsPerBatch?: number;
  /** How often each channel is claimed, at least once. Every 24 hours by default. */
  readonly claimEveryHours?: number;
  /** How often each receiver is swept, at least once. Every 168 hours by default. */
  readonly sweepEveryHours?: number;
  /** The most that settling may cost, in thousandths of the payments' value: 10 by default. */
  readonly maxCostPermille?: bigint;
  /** The most of that which deposits may cost, in thousandths of the value: 5 by default. */
  readonly maxDepositCostPermille?: bigint;
};

/** A way to settle: `exact` by a transaction for each payment, `batch` through the router, `channel` by vouchers. */
export type Way = "exact" | "batch" | "channel";

/** The cost of a way over the whole session. */
export type WayCost = {
  readonly totalGas: bigint;
  /** The part of `totalWei` that data costs. */
  readonly dataWei: bigint;
  readonly totalWei: bigint;
  /** Billionths of a dollar, rounded up. */
  readonly totalNanoUsd: bigint;
  /** Millionths of a millionth of a dollar, rounded up. */
  readonly picoUsdPerPayment: bigint;
  /** In millionths of the payments' value, rounded up. */
  readonly shareOfValuePpm: bigint;
};

/** A channel with deposits of `multiplier` payments each. */
export type ChannelCost = WayCost & {
  /** How many payments one deposit pays for. */
  readonly multiplier: number;
  /** The deposits of one channel: the first and its top-ups. */
  readonly deposits: bigint;
  /** Atomic units of one deposit, which is the most that a payer has locked up. */
  readonly deposit: bigint;
  /** The claims of one channel. */
  readonly claims: number;
};

/** Why a way is recommended. */
export type CompareReason =
  /** The way costs no more of the value than is allowed, and no simpler way does. */
  | { readonly kind: "affordable"; readonly way: Way; readonly shareOfValuePpm: bigint }
  /** A simpler way costs more than is allowed. */
  | { readonly kind: "too-dear"; readonly way: Way; readonly shareOfValuePpm: bigint }
  /** No way costs as little as is allowed; this one costs the least. */
  | { readonly kind: "cheapest"; readonly way: Way; readonly shareOfValuePpm: bigint }
  /** A channel has too few payments to be cheaper than the batch. */
  | { readonly kind: "few-payments"; readonly paymentsPerPayer: number; readonly breakEven: bigint }
  /** Deposits of the official client's or server's usual size make the channel too expensive. */
  | { readonly kind: "small-deposits"; readonly multiplier: number; readonly shareOfValuePpm: bigint }
  | { readonly kind: "costs-more-than-it-moves"; readonly way: Way };

/** What a traffic costs in each way, and which way to take. */
export type Comparison = {
  /** All payments of the session. */
  readonly payments: bigint;
  /** In millionths of a dollar. */
  readonly value: bigint;
  readonly exact: WayCost;
  readonly batch: WayCost;
  /** With the recommended deposit. */
  readonly channel: ChannelCost;
  /** With the official client's own default deposit, and with the official server's. */
  readonly usualChannels: { readonly client: ChannelCost; readonly server: ChannelCost };
  /** From how many payments of one payer on a channel is cheaper, if one deposit lasts. */
  readonly breakEven: { readonly withExact: bigint; readonly withBatch: bigint };
  /** The smallest payment, in atomic units, for which each way costs no more of the value than is allowed. */
  readonly smallestAmount: Readonly<Record<Way, bigint>>;
  /** The simplest way that costs no more of the value than is allowed, else the cheapest. */
  readonly recommended: Way;
  /** Why that one. */
  readonly reasons: readonly CompareReason[];
};

/** Traffic that cannot be priced. */
export class TrafficProfileError extends TributaryError {
  override readonly name = "TrafficProfileError";
}

/** Defaults of @x402/evm 2.27.0, in prices: the client's `depositMultiplier`, and the server's `extra.minDeposit`. */
export const CLIENT_DEPOSIT_MULTIPLIER = 5;
export const SERVER_DEPOSIT_MULTIPLIER = 10;

const MAX_ROWS_PER_CLAIM = 100;
const MAX_PAYMENTS_PER_BATCH = 300;
const WEI_PER_ETHER = 10n ** 18n;

/**
 * Prices the same traffic in three ways: each payment in a transaction of its own (`exact`), payments in batches
 * through the router, or one channel for each payer with its deposits, claims and sweeps.
 * @throws TrafficProfileError if a number is out of its range.
 */
export function compareWays(profile: TrafficProfile, options: CompareOptions): Comparison {
  const given = check(profile, options);
  const data = dataCostsOf(profile, options.dataFee);
  const payments = BigInt(profile.payers) * BigInt(profile.paymentsPerPayer);
  const payers = BigInt(profile.payers);
  const value = payments * profile.amount;
  const price = (spent: Spent): WayCost => priceOf(spent, payments, value, options);
  const keeping = keepingCost(profile, given, data);
  const channelOf = (multiplier: number): ChannelCost => {
    const deposits = divideUp(BigInt(profile.paymentsPerPayer), BigInt(multiplier));
    const opening = { gas: depositGas(given.channelGas, deposits), dataWei: deposits * data.deposit() };
    const { claims } = keeping;
    const deposit = BigInt(multiplier) * profile.amount;
    return { ...price(plus(times(payers, opening), keeping)), multiplier, deposits, deposit, claims };
  };

  const single = batchCost(profile, 1, given.gasModel, data);
  const exact = price(times(payments, single));
  const batch = price(allBatchesCost(profile, payments, given, data));
  const channel = channelOf(recommendedMultiplier(profile, given, options, data));
  const usualChannels = { client: channelOf(CLIENT_DEPOSIT_MULTIPLIER), server: channelOf(SERVER_DEPOSIT_MULTIPLIER) };

  // The cost of one channel however many payments it carries, with one deposit and its share of all claims and sweeps.
  const fixed = plus(
    { gas: depositGas(given.channelGas, 1n), dataWei: data.deposit() },
    { gas: divideUp(keeping.gas, payers), dataWei: divideUp(keeping.dataWei, payers) },
  );
  // If gas is free, gas still decides, in addition to the cost of data.
  const gasPriceWei = options.gasPriceWei === 0n ? 1n : options.gasPriceWei;
  const wei = ({ gas, dataWei }: Spent) => gas * gasPriceWei + dataWei;
  const breakEven = {
    withExact: wei(fixed) / wei(single) + 1n,
    withBatch: (wei(fixed) * payments) / wei({ gas: batch.totalGas, dataWei: batch.dataWei }) + 1n,
  };
  const smallest = ({ picoUsdPerPayment }: WayCost) =>
    divideUp(picoUsdPerPayment * 1_000n, 1_000_000n * given.maxCostPermille);
  const smallestAmount = {
    exact: smallest(exact),
    batch: smallest(batch),
    channel: smallest(price(times(payers, fixed))),
  };
  const priced = { exact, batch, channel };
  const { recommended, reasons } = recommend(profile, priced, usualChannels, breakEven, given.maxCostPermille);
  return { payments, value, ...priced, usualChannels, breakEven, smallestAmount, recommended, reasons };
}

/** What transactions use, whatever gas costs. */
type Spent = { readonly gas: bigint; readonly dataWei: bigint };

function plus(a: Spent, b: Spent): Spent {
  return { gas: a.gas + b.gas, dataWei: a.dataWei + b.dataWei };
}

function times(count: bigint, { gas, dataWei }: Spent): Spent {
  return { gas: count * gas, dataWei: count * dataWei };
}

type Given = Required<Omit<CompareOptions, "gasPriceWei" | "etherMicroUsd" | "dataFee">>;

function check(profile: TrafficProfile, options: CompareOptions): Given {
  const given = {
    gasModel: options.gasModel ?? { token: CIRCLE_USDC_GAS, router: ROUTER_GAS },
    channelGas: options.channelGas ?? CANONICAL_CHANNEL_GAS,
    paymentsPerBatch: options.paymentsPerBatch ?? MAX_PAYMENTS_PER_BATCH,
    claimEveryHours: options.claimEveryHours ?? 24,
    sweepEveryHours: options.sweepEveryHours ?? 168,
    maxCostPermille: options.maxCostPermille ?? 10n,
    maxDepositCostPermille: options.maxDepositCostPermille ?? 5n,
  };
  const { payers, payees, paymentsPerPayer, sessionHours, amount } = profile;
  const { paymentsPerBatch, claimEveryHours, sweepEveryHours } = given;
  const isCount = (count: number, most = Number.MAX_SAFE_INTEGER) =>
    Number.isSafeInteger(count) && count >= 1 && count <= most;
  const problem = [
    [isCount(payers), "payers", payers],
    [isCount(payees), "payees", payees],
    [isCount(paymentsPerPayer), "paymentsPerPayer", paymentsPerPayer],
    [isCount(paymentsPerBatch, MAX_PAYMENTS_PER_BATCH), "paymentsPerBatch", paymentsPerBatch],
    [sessionHours >= 0 && Number.isFinite(sessionHours), "sessionHours", sessionHours],
    [claimEveryHours > 0, "claimEveryHours", claimEveryHours],
    [sweepEveryHours > 0, "sweepEveryHours", sweepEveryHours],
    [amount > 0n, "amount", amount],
    [given.maxCostPermille > 0n, "maxCostPermille", given.maxCostPermille],
    [options.gasPriceWei >= 0n, "gasPriceWei", options.gasPriceWei],
    [options.etherMicroUsd >= 0n, "etherMicroUsd", options.etherMicroUsd],
  ].find(([isGood]) => isGood === false);
  if (problem === undefined) return given;
  throw new TrafficProfileError("This traffic cannot be priced.", {
    details: `${problem[1]} is ${problem[2]}.`,
    hint: `Give whole numbers from 1 up, and at most ${MAX_PAYMENTS_PER_BATCH} payments to a batch.`,
  });
}

/** What all claims and sweeps use, and how often each channel is claimed. */
function keepingCost(profile: TrafficProfile, given: Given, data: DataCosts): Spent & { readonly claims: number } {
  const { channelGas, claimEveryHours, sweepEveryHours } = given;
  const { payers, sessionHours, paymentsPerPayer } = profile;
  const payees = Math.min(profile.payees, payers);
  const claims = Math.min(paymentsPerPayer, Math.max(1, Math.ceil(sessionHours / claimEveryHours)));
  const sweeps = Math.min(claims, Math.max(1, Math.ceil(sessionHours / sweepEveryHours)));
  const claiming = claimTransactions(payers, payees)
    .map(([rows, count]) => times(count, { gas: claimGas(channelGas, rows), dataWei: data.claim(rows) }))
    .reduce(plus);
  const sweeping = { gas: BigInt(channelGas.sweepGas), dataWei: data.sweep() };
  return { ...plus(times(BigInt(claims), claiming), times(BigInt(payees * sweeps), sweeping)), claims };
}

/** The transactions that claim every channel once: how many there are with each number of rows. */
function claimTransactions(payers: number, payees: number): readonly (readonly [rows: number, count: bigint])[] {
  const [least, larger] = [Math.floor(payers / payees), payers % payees];
  const receivers = [[least, payees - larger] as const, [least + 1, larger] as const];
  return receivers.flatMap(([rows, count]) => {
    const [full, rest] = [Math.floor(rows / MAX_ROWS_PER_CLAIM), rows % MAX_ROWS_PER_CLAIM];
    const transactions = [[MAX_ROWS_PER_CLAIM, BigInt(count * full)] as const, [rest, BigInt(count)] as const];
    return transactions.filter(([inEach, many]) => inEach > 0 && many > 0n);
  });
}

/**
 * The smallest deposit, in payments, with which deposits cost no more than their part of the value; all payments of the
 * session if there is none. At least what the official server asks for, unless the session has fewer payments.
 */
function recommendedMultiplier(
  { paymentsPerPayer, amount }: TrafficProfile,
  given: Given,
  { gasPriceWei, etherMicroUsd }: CompareOptions,
  data: DataCosts,
): number {
  const weiOf = (gas: number) => BigInt(gas) * gasPriceWei + data.deposit();
  const firstWei = weiOf(given.channelGas.depositGas);
  const topUpWei = weiOf(given.channelGas.topUpGas);
  if (topUpWei * etherMicroUsd === 0n) return Math.min(paymentsPerPayer, SERVER_DEPOSIT_MULTIPLIER);
  const budgetMilliMicroUsd = BigInt(paymentsPerPayer) * amount * given.maxDepositCostPermille;
  const budgetWei = (budgetMilliMicroUsd * WEI_PER_ETHER) / (1_000n * etherMicroUsd);
  const topUps = budgetWei < firstWei ? 0n : (budgetWei - firstWei) / topUpWei;
  const multiplier = Number(divideUp(BigInt(paymentsPerPayer), topUps + 1n));
  return Math.min(paymentsPerPayer, Math.max(multiplier, SERVER_DEPOSIT_MULTIPLIER));
}

function allBatchesCost(profile: TrafficProfile, payments: bigint, given: Given, data: DataCosts): Spent {
  const { paymentsPerBatch, gasModel } = given;
  const most = BigInt(paymentsPerBatch);
  const full = payments / most;
  const rest = Number(payments % most);
  const none = { gas: 0n, dataWei: 0n };
  return plus(
    full === 0n ? none : times(full, batchCost(profile, paymentsPerBatch, gasModel, data)),
    rest === 0 ? none : batchCost(profile, rest, gasModel, data),
  );
}

function batchCost(profile: TrafficProfile, count: number, model: GasModel, data: DataCosts): Spent {
  return { gas: batchGas(profile, count, model), dataWei: data.batch(count) };
}

// Terms as x402 clients write them, with no zero byte in the random parts.
const sample: SignedAuthorization = {
  chainId: 8453,
  token: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
  from: `0x${"11".repeat(20)}`,
  to: `0x${"22".repeat(20)}`,
  value: 0n,
  validAfter: 1_700_000_001n,
  validBefore: 1_700_000_901n,
  nonce: `0x${"33".repeat(32)}`,
  signature: `0x${"44".repeat(64)}1b`,
};

/**
 * Gas of a transaction with this many payments, spread over the payers and payees that there are. A single payment goes
 * to the token itself.
 */
function batchGas({ payers, payees, amount }: TrafficProfile, count: number, model: GasModel): bigint {
  const authorizations = Array.from({ length: count }, (_, i) => ({
    ...sample,
    value: amount,
    to: payeeOf(i % payees),
  }));
  const items = authorizations.map((_, i): GasItem => {
    const common = { value: amount, form: "compact", overload: "vrs", signatureBytes: 65 } as const;
    return { payer: i % payers, payee: payers + (i % payees), ...common };
  });
  // Payers do not run empty, and payees already have a balance.
  const balanceOf = () => ({ known: 10n ** 30n });
  const question = { items, deltas: balanceDeltas(items), balanceOf, model };
  const [only] = authorizations;
  if (count === 1 && only !== undefined) {
    return most(predictDirectGas({ ...question, calldata: directCalldata(only, "vrs") }));
  }
  const routerItems = authorizations.map((authorization) => ({ form: "compact", authorization }) as const);
  let bytes = { zero: 0, nonZero: 0 };
  for (const item of routerItems) {
    const { zero, nonZero } = itemBytes(item);
    bytes = { zero: bytes.zero + zero, nonZero: bytes.nonZero + nonZero };
  }
  const call = { token: sample.token, gasAllowance: model.token.minimumAllowance, items: routerItems };
  return most(predictRouterGas({ ...question, calldata: routerCalldata(call, bytes) }));
}

function payeeOf(index: number): Hex {
  return `0x${(index + 1).toString(16).padStart(4, "0").padStart(40, "2")}`;
}

function most(prediction: GasPrediction): bigint {
  return prediction.kind === "exact" ? prediction.gas : prediction.high;
}

function priceOf({ gas, dataWei }: Spent, payments: bigint, value: bigint, options: CompareOptions): WayCost {
  const totalWei = gas * options.gasPriceWei + dataWei;
  const weiMicroUsd = totalWei * options.etherMicroUsd;
  return {
    totalGas: gas,
    dataWei,
    totalWei,
    totalNanoUsd: divideUp(weiMicroUsd * 1_000n, WEI_PER_ETHER),
    picoUsdPerPayment: divideUp(weiMicroUsd * 1_000_000n, WEI_PER_ETHER * payments),
    shareOfValuePpm: divideUp(weiMicroUsd * 1_000_000n, WEI_PER_ETHER * value),
  };
}

/** The simplest way that costs no more than is allowed; if there is none, the cheapest. */
function recommend(
  { paymentsPerPayer }: TrafficProfile,
  ways: { readonly exact: WayCost; readonly batch: WayCost; readonly channel: ChannelCost },
  usual: Comparison["usualChannels"],
  breakEven: Comparison["breakEven"],
  maxCostPermille: bigint,
): Pick<Comparison, "recommended" | "reasons"> {
  const order: readonly Way[] = ["exact", "batch", "channel"];
  const isAffordable = ({ shareOfValuePpm }: WayCost) => shareOfValuePpm <= maxCostPermille * 1_000n;
  const affordable = order.find((way) => isAffordable(ways[way]));
  const cheapest = order.reduce((a, b) => (ways[b].totalWei < ways[a].totalWei ? b : a));
  const recommended = affordable ?? cheapest;
  const { shareOfValuePpm } = ways[recommended];
  const reasons: CompareReason[] = [];
  for (const way of order.slice(0, order.indexOf(recommended))) {
    reasons.push({ kind: "too-dear", way, shareOfValuePpm: ways[way].shareOfValuePpm });
  }
  reasons.push({ kind: affordable === undefined ? "cheapest" : "affordable", way: recommended, shareOfValuePpm });
  if (recommended !== "channel" && BigInt(paymentsPerPayer) < breakEven.withBatch) {
    reasons.push({ kind: "few-payments", paymentsPerPayer, breakEven: breakEven.withBatch });
  }
  if (recommended === "channel") {
    for (const one of [usual.client, usual.server]) {
      if (isAffordable(one) || one.deposits <= ways.channel.deposits) continue;
      reasons.push({ kind: "small-deposits", multiplier: one.multiplier, shareOfValuePpm: one.shareOfValuePpm });
    }
  }
  if (shareOfValuePpm > 1_000_000n) reasons.push({ kind: "costs-more-than-it-moves", way: recommended });
  return { recommended, reasons };
}

function divideUp(a: bigint, b: bigint): bigint {
  return (a + b - 1n) / b;
}

import { compareWays } from "../../src/channels/compare.ts";
import { MOCK_CHANNEL_GAS, MOCK_USDC_GAS, ROUTER_GAS } from "../../src/gas/index.ts";
import { USUAL_ETHER_MICRO_USD, USUAL_GAS_PRICE_WEI } from "../figures.ts";
import type { Measurement } from "../measure.ts";

const USUAL = { gasPriceWei: USUAL_GAS_PRICE_WEI, etherMicroUsd: USUAL_ETHER_MICRO_USD };
const PAYMENTS_PER_BATCH = 300;

/** How many payments a returning buyer makes, as for `tributary plan --compare`. */
export const LONG_CHANNEL_PAYMENTS = 10_000;

/**
 * What a channel of {@link LONG_CHANNEL_PAYMENTS} costs by the model, on the canonical contracts with Circle's USDC.
 */
export type LongChannel = {
  /** The deposit that the planner recommends for the channel, in atomic units. The shop announces it. */
  readonly deposit: bigint;
  /** How many payments that deposit covers. */
  readonly multiplier: number;
  /**
   * What the channel costs, in millionths of its value: with that deposit, and with the official packages' own
   * defaults.
   */
  readonly shareOfValuePpm: { readonly recommended: bigint; readonly server: bigint; readonly client: bigint };
};

export function planLongChannel(price: bigint): LongChannel {
  const profile = {
    payers: 1,
    payees: 1,
    amount: price,
    paymentsPerPayer: LONG_CHANNEL_PAYMENTS,
    sessionHours: 24,
  };
  const { channel, usualChannels } = compareWays(profile, USUAL);
  return {
    deposit: channel.deposit,
    multiplier: channel.multiplier,
    shareOfValuePpm: {
      recommended: channel.shareOfValuePpm,
      server: usualChannels.server.shareOfValuePpm,
      client: usualChannels.client.shareOfValuePpm,
    },
  };
}

/** What the same payments would cost in batches and one by one on the demo's chain. It is modelled, not measured. */
export function modelOtherWays(traffic: {
  readonly buyers: number;
  readonly payments: number;
  readonly price: bigint;
}): { readonly batches: Measurement; readonly oneByOne: Measurement } | undefined {
  const { buyers, payments, price } = traffic;
  if (payments === 0) return undefined;
  const profile = {
    payers: Math.min(buyers, payments),
    payees: 1,
    amount: price,
    paymentsPerPayer: Math.ceil(payments / buyers),
    sessionHours: 1,
  };
  const gasModel = { token: MOCK_USDC_GAS, router: ROUTER_GAS };
  const {
    exact,
    batch,
    payments: modelled,
  } = compareWays(profile, { ...USUAL, gasModel, channelGas: MOCK_CHANNEL_GAS });
  // In the model every buyer buys equally often, which may make a few payments more.
  const of = (gas: bigint): bigint => (gas * BigInt(payments)) / modelled;
  return {
    batches: {
      transactions: Math.ceil(payments / PAYMENTS_PER_BATCH),
      gasUsed: of(batch.totalGas),
      settled: payments,
    },
    oneByOne: { transactions: payments, gasUsed: of(exact.totalGas), settled: payments },
  };
}

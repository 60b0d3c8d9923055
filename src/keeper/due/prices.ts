import type { ChainClient } from "../../chain/client.ts";
import { readDataFeeInputs } from "../../chain/fees/dataFee.ts";
import { readGasPrice } from "../../chain/fees/fees.ts";
import { dataCostsOf } from "../../channels/dataCosts.ts";
import type { DataFeeInputs } from "../../fees/index.ts";
import { CANONICAL_CHANNEL_GAS, claimGas } from "../../gas/index.ts";
import type { KeeperPolicy } from "./policy.ts";

/** What the data of a keeper's calls costs on an OP-stack chain, in wei; 0 elsewhere. */
export type CallData = { readonly claimWei: bigint; readonly rowWei: bigint; readonly sweepWei: bigint };

export const FREE_DATA: CallData = { claimWei: 0n, rowWei: 0n, sweepWei: 0n };

/** What gas and data cost now, and the policy to judge it by. */
export type Prices = {
  readonly nowMs: number;
  readonly gasPriceWei: bigint;
  readonly data: CallData;
  readonly policy: KeeperPolicy;
};

/** How many rows the cost of one row is averaged over: rows compress better together than alone. */
const SAMPLE_ROWS = 10;
const WEI_PER_ETHER = 10n ** 18n;

/**
 * What gas and data cost now.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readPrices(client: ChainClient, policy: KeeperPolicy, nowMs: number): Promise<Prices> {
  const [gasPriceWei, inputs] = await Promise.all([readGasPrice(client), readDataFeeInputs(client)]);
  return { nowMs, gasPriceWei, data: callDataOf(inputs), policy };
}

/**
 * What the data of a claim, of each of its rows and of a sweep costs. `inputs` is undefined on a chain with free data.
 */
export function callDataOf(inputs: DataFeeInputs | undefined): CallData {
  if (inputs === undefined) return FREE_DATA;
  const costs = dataCostsOf({ payers: 1, payees: 1, amount: 1_000n }, inputs);
  const rowWei = (costs.claim(1 + SAMPLE_ROWS) - costs.claim(1)) / BigInt(SAMPLE_ROWS) + 1n;
  const first = costs.claim(1);
  return { claimWei: first > rowWei ? first - rowWei : 0n, rowWei, sweepWei: costs.sweep() };
}

/** What gas and data cost together, in millionths of a dollar, rounded up. */
export function costOf(
  gas: bigint,
  { gasPriceWei, policy }: Pick<Prices, "gasPriceWei" | "policy">,
  dataWei = 0n,
): bigint {
  return ((gas * gasPriceWei + dataWei) * policy.etherMicroUsd + WEI_PER_ETHER - 1n) / WEI_PER_ETHER;
}

/** What a claim of this many channels costs, in millionths of a dollar. */
export function claimCost(rows: number, prices: Prices): bigint {
  const { claimWei, rowWei } = prices.data;
  return costOf(claimGas(CANONICAL_CHANNEL_GAS, rows), prices, claimWei + rowWei * BigInt(rows));
}

/** What one more channel in a claim costs, in millionths of a dollar. */
export function rowCost(prices: Prices): bigint {
  return costOf(BigInt(CANONICAL_CHANNEL_GAS.claimRowGas), prices, prices.data.rowWei);
}

/** What a sweep costs, in millionths of a dollar. */
export function sweepCost(prices: Prices): bigint {
  return costOf(BigInt(CANONICAL_CHANNEL_GAS.sweepGas), prices, prices.data.sweepWei);
}

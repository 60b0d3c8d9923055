import type { ChainClient } from "../../chain/client.ts";
import { readDataFeeInputs } from "../../chain/fees/dataFee.ts";
import { readGasPrice } from "../../chain/fees/fees.ts";
import type { Clock } from "../../clock.ts";
import type { DataFeeInputs } from "../../fees/index.ts";
import type { Expected } from "./gas.ts";
import type { FacilitatorPolicy } from "./policy.ts";

/** How long a gas price is used before it is read again, and how long at most if the node does not answer. */
const GOOD_FOR_MS = 15_000;
const STALE_AFTER_MS = 600_000;
const WEI_PER_ETHER = 10n ** 18n;

export type Prices = {
  /** The price of one unit of gas. */
  readonly gasPriceWei: bigint;
  /** What the price of data depends on; undefined on a chain that charges nothing for it. */
  readonly data: DataFeeInputs | undefined;
};

/** @throws ChainUnavailableError if the node does not answer. */
export async function readPrices(client: ChainClient): Promise<Prices> {
  const [gasPriceWei, data] = await Promise.all([readGasPrice(client), readDataFeeInputs(client)]);
  return { gasPriceWei, data };
}

/**
 * The smallest amount that is worth its gas now, in atomic units of a dollar token with six decimals; 0 if the operator set no
 * multiple. The gas price is read at most once in 15 seconds.
 * @throws ChainUnavailableError if the node has given no price for ten minutes.
 */
export function createFloor(
  read: () => Promise<Prices>,
  clock: Clock,
  { etherMicroUsd, minGasPermille }: Pick<FacilitatorPolicy, "etherMicroUsd" | "minGasPermille">,
): (expected: Expected) => Promise<bigint> {
  let known: (Prices & { readonly atMs: number }) | undefined;
  let asking: Promise<Prices> | undefined;

  async function prices(): Promise<Prices> {
    if (known !== undefined && clock.now() - known.atMs < GOOD_FOR_MS) return known;
    asking ??= read().finally(() => {
      asking = undefined;
    });
    try {
      known = { ...(await asking), atMs: clock.now() };
    } catch (error) {
      if (known === undefined || clock.now() - known.atMs >= STALE_AFTER_MS) throw error;
    }
    return known;
  }

  return async ({ gas, dataFeeWei }) => {
    if (minGasPermille === undefined) return 0n;
    const { gasPriceWei, data } = await prices();
    const wei = gas * gasPriceWei + (data === undefined ? 0n : dataFeeWei(data));
    const divisor = WEI_PER_ETHER * 1_000n;
    return (wei * etherMicroUsd * minGasPermille + divisor - 1n) / divisor;
  };
}

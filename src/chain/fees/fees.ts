import { max, min } from "../../money.ts";
import { feeCeilingsOf } from "../../networks.ts";
import { unavailable } from "../ask.ts";
import type { ChainClient } from "../client.ts";

/** EIP-1559 fees of a transaction, in wei per gas. */
export type Fees = { readonly maxFeePerGas: bigint; readonly maxPriorityFeePerGas: bigint };

/** What gas costs now, by what a node says, in wei per gas. */
export type Market = { readonly baseFeePerGas: bigint; readonly tip: bigint };

/** Bounds of what is offered per gas, in wei. A node that lies about the market cannot move an offer out of them. */
export type FeeBounds = { readonly floorWei: bigint; readonly ceilingWei: bigint; readonly tipCeilingWei: bigint };

/** The least that is offered per gas, and the tip if the node suggests none. An L2 sequencer takes almost anything. */
const FEE_FLOOR_WEI = 1_000_000n;
/** The recent blocks whose tips a suggestion is compared with, and the part of their gas that paid no more. */
const HISTORY_BLOCKS = 10;
const HISTORY_PERCENTILE = 75;
/** Steps of a replacement that a first tip leaves room for below the ceiling: five of 12.5 % nearly double it. */
const TIP_ROOM = 2n;

/**
 * Reads what gas costs: the base fee of the newest block, and the smaller of two tips. One is the node's suggestion.
 * The other is the tip that three quarters of the gas in the median recent block did not exceed. If no transaction paid
 * a tip, or the node keeps no history, the suggestion stands.
 * @throws ChainUnavailableError if the node does not say what gas costs.
 */
export async function readMarket(client: ChainClient): Promise<Market> {
  try {
    const [block, suggested, paid] = await Promise.all([
      client.getBlock({ blockTag: "latest" }),
      client.estimateMaxPriorityFeePerGas().catch(() => FEE_FLOOR_WEI),
      recentTip(client).catch(() => undefined),
    ]);
    return {
      baseFeePerGas: block.baseFeePerGas ?? 0n,
      tip: paid === undefined ? suggested : min(suggested, max(paid, FEE_FLOOR_WEI)),
    };
  } catch (error) {
    throw unavailable("the price of gas", error);
  }
}

async function recentTip(client: ChainClient): Promise<bigint | undefined> {
  const { reward, gasUsedRatio } = await client.getFeeHistory({
    blockCount: HISTORY_BLOCKS,
    rewardPercentiles: [HISTORY_PERCENTILE],
  });
  // An empty block says nothing about tips.
  const tips = (reward ?? []).filter((_, i) => (gasUsedRatio[i] ?? 0) > 0).map(([tip = 0n]) => tip);
  // One expensive block says little, so the median counts.
  const middle = tips.sort((a, b) => (a < b ? -1 : a > b ? 1 : 0))[Math.floor(tips.length / 2)];
  return middle === 0n ? undefined : middle;
}

/** Fees of a first attempt: the base fee may double, and the tip comes on top, all within the bounds. Pure. */
export function offer({ baseFeePerGas, tip: asked }: Market, bounds: FeeBounds): Fees {
  const tip = min(asked, bounds.tipCeilingWei / TIP_ROOM);
  const maxFeePerGas = min(max(baseFeePerGas * 2n + tip, bounds.floorWei), bounds.ceilingWei);
  return { maxFeePerGas, maxPriorityFeePerGas: min(tip, maxFeePerGas) };
}

/** The usual bounds on a chain. */
export function feeBoundsOf(chainId: number): FeeBounds {
  const { maxFeeWei, maxTipWei } = feeCeilingsOf(chainId);
  return { floorWei: FEE_FLOOR_WEI, ceilingWei: maxFeeWei, tipCeilingWei: maxTipWei };
}

/**
 * Fees for a transaction sent now, within the usual bounds of the chain.
 * @throws ChainUnavailableError if the node does not say what gas costs.
 */
export async function suggestFees(client: ChainClient): Promise<Fees & { baseFeePerGas: bigint }> {
  const market = await readMarket(client);
  return { baseFeePerGas: market.baseFeePerGas, ...offer(market, feeBoundsOf(client.chain.id)) };
}

/** What a transaction sent now would pay per gas, in wei: base fee and tip, but no more than the fee cap. */
export async function readGasPrice(client: ChainClient): Promise<bigint> {
  const { baseFeePerGas, maxFeePerGas, maxPriorityFeePerGas } = await suggestFees(client);
  return min(baseFeePerGas + maxPriorityFeePerGas, maxFeePerGas);
}

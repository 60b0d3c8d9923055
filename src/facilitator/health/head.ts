import type { ChainClient } from "../../chain/client.ts";
import { minesOnDemand } from "../../chain/development.ts";
import { networkOf } from "../../networks.ts";

const LEAST_SECONDS = 15;
const MOST_SECONDS = 120;
/** Every known network has a block at least every two seconds. */
const KNOWN_BLOCK_SECONDS = 2;
const BLOCKS = 8;

/**
 * How old the newest block may be, in seconds: the time of eight blocks, at least 15 s and at most 120 s. Undefined for a
 * development chain that makes blocks only for transactions, where the newest block may have any age.
 */
export async function defaultHeadAge(client: ChainClient): Promise<number | undefined> {
  if (await minesOnDemand(client)) return undefined;
  if (networkOf(client.chain.id) !== undefined) return bounded(KNOWN_BLOCK_SECONDS * BLOCKS);
  const head = await client.getBlock({ blockTag: "latest" });
  if (head.number < BLOCKS) return MOST_SECONDS;
  const earlier = await client.getBlock({ blockNumber: head.number - BigInt(BLOCKS) });
  return bounded(Number(head.timestamp - earlier.timestamp));
}

function bounded(seconds: number): number {
  return Math.min(MOST_SECONDS, Math.max(LEAST_SECONDS, seconds));
}

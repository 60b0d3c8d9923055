import type { ChainClient } from "./client.ts";

/** How many blocks the block time is averaged over. */
const SAMPLE = 10n;
/** The longest block time of any chain in use. */
const MOST_SECONDS = 15;

/** The average time between blocks, in milliseconds; undefined if the node does not say, or mines on demand. */
export async function readBlockTime(client: Pick<ChainClient, "getBlock">): Promise<number | undefined> {
  try {
    const newest = await client.getBlock({ blockTag: "latest" });
    const blocks = newest.number < SAMPLE ? newest.number : SAMPLE;
    if (blocks === 0n) return undefined;
    const older = await client.getBlock({ blockNumber: newest.number - blocks });
    const seconds = Number(newest.timestamp - older.timestamp) / Number(blocks);
    return seconds > 0 && seconds <= MOST_SECONDS ? seconds * 1000 : undefined;
  } catch {
    return undefined;
  }
}

import type { ChainClient } from "./client.ts";

/** Blocks over which the distance is averaged. */
const SAMPLE = 10n;
/** No chain that is in use has blocks that are further apart. */
const MOST_SECONDS = 15;

/** How far blocks are apart, in milliseconds; undefined where the node does not say, or mines when it is asked to. */
export async function readBlockTime(client: ChainClient): Promise<number | undefined> {
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

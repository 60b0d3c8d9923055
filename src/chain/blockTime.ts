import type { ChainClient } from "./client.ts";

/** How many blocks the block time is averaged over; … */
const SAMPLE = 10n;
/** … if they are faster than timestamps count, so many, because each end may be off by a second. */
const LONG_SAMPLE = 100n;
/** The longest block time of any chain in use. */
const MOST_SECONDS = 15;

/** The average time between blocks, in milliseconds; undefined if the node does not say, or mines on demand. */
export async function readBlockTime(client: Pick<ChainClient, "getBlock">): Promise<number | undefined> {
  try {
    const newest = await client.getBlock({ blockTag: "latest" });
    const average = async (sample: bigint): Promise<number> => {
      const blocks = newest.number < sample ? newest.number : sample;
      if (blocks === 0n) return 0;
      const older = await client.getBlock({ blockNumber: newest.number - blocks });
      return Number(newest.timestamp - older.timestamp) / Number(blocks);
    };
    const first = await average(SAMPLE);
    const seconds = first < 1 ? await average(LONG_SAMPLE) : first;
    return seconds > 0 && seconds <= MOST_SECONDS ? seconds * 1000 : undefined;
  } catch {
    return undefined;
  }
}

import type { Hex } from "viem";
import type { ChannelRow, ChannelStore } from "../settlement/store/index.ts";

/** What was charged of a channel in all, in atomic units. */
export function chargedOf({ record }: Pick<ChannelRow, "record">): bigint {
  return BigInt(record.chargedCumulativeAmount);
}

/** What is charged and not claimed, as far as is known. */
export function unclaimedOf(row: Pick<ChannelRow, "record" | "claimed">): bigint {
  const unclaimed = chargedOf(row) - row.claimed;
  return unclaimed > 0n ? unclaimed : 0n;
}

/** A row before it is stored. */
export type RowContent = Omit<ChannelRow, "version" | "unclaimedSinceMs">;

/**
 * Changes rows by what `change` makes of them, as often as it takes until nobody else changed them meanwhile. `change`
 * gives the row itself to leave it as it is, and undefined to remove it.
 */
export async function changeRows(
  store: ChannelStore,
  channelIds: readonly Hex[],
  nowMs: number,
  change: (row: ChannelRow) => RowContent | undefined,
): Promise<void> {
  let left = [...new Set(channelIds)];
  while (left.length > 0) {
    const rows = await store.channels(left);
    const changes = [...rows.values()]
      .map((before) => ({ before, after: change(before) }))
      .filter(({ before, after }) => before !== after);
    const done = await store.changeChannels(changes, nowMs);
    left = changes.map(({ before }) => before.channelId).filter((id) => !done.has(id));
  }
}

/** All channels of a chain, a page at a time. */
export async function* everyChannel(
  store: ChannelStore,
  chainId: number,
  only?: "unclaimed" | "withdrawing",
): AsyncGenerator<readonly ChannelRow[]> {
  for (let afterId: Hex | undefined; ; ) {
    const page = await store.listChannels({
      chainId,
      limit: PAGE,
      ...(only === undefined ? {} : { only }),
      ...(afterId === undefined ? {} : { afterId }),
    });
    if (page.length > 0) yield page;
    afterId = page.at(-1)?.channelId;
    if (page.length < PAGE) return;
  }
}

const PAGE = 500;

import type { Hex } from "viem";
import type { ChannelJournal, ChannelRow } from "../../journal/index.ts";

export { chargedOf, unclaimedOf } from "../../settlement/reports/earnings/channels.ts";

/** A row before it is stored. */
export type RowContent = Omit<ChannelRow, "version" | "unclaimedSinceMs" | "earning">;

/**
 * Changes rows with `change`, and repeats this for those that somebody else changed meanwhile. `change` returns the row
 * itself to leave it as it is, and undefined to remove it.
 */
export async function changeRows(
  journal: ChannelJournal,
  channelIds: readonly Hex[],
  nowMs: number,
  change: (row: ChannelRow) => RowContent | undefined,
): Promise<void> {
  let left = [...new Set(channelIds)];
  while (left.length > 0) {
    const rows = await journal.channels(left);
    const changes = [...rows.values()]
      .map((before) => ({ before, after: change(before) }))
      .filter(({ before, after }) => before !== after);
    const done = await journal.changeChannels(changes, nowMs);
    left = changes.map(({ before }) => before.channelId).filter((id) => !done.has(id));
  }
}

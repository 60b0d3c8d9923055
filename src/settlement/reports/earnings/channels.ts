import type { ChannelRow } from "../../../journal/ports/channels.ts";

/** The sum of all charges of a channel, in atomic units. */
export function chargedOf({ record }: Pick<ChannelRow, "record">): bigint {
  return BigInt(record.chargedCumulativeAmount);
}

/** What is charged and not known to be claimed, in atomic units. */
export function unclaimedOf(row: Pick<ChannelRow, "record" | "claimed">): bigint {
  const unclaimed = chargedOf(row) - row.claimed;
  return unclaimed > 0n ? unclaimed : 0n;
}

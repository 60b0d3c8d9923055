import type { ChannelEarning, ChannelRecord, ChannelRow } from "../ports/channels.ts";

const DAY_MS = 86_400_000;

/** A channel's day after a change, and the amount of the day before it, if that day has ended. */
export type Earned = {
  readonly earning: ChannelEarning | undefined;
  readonly closed: { readonly day: number; readonly amount: bigint } | undefined;
};

/** The number of a UTC day since 1970. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** What was charged on a channel's current day; undefined if no day of it has begun yet. */
export function earningOf(
  row: Pick<ChannelRow, "record" | "claimed" | "earning" | "unclaimedSinceMs">,
): { readonly day: number; readonly amount: bigint } | undefined {
  const charged = BigInt(row.record.chargedCumulativeAmount);
  const { day, base } = row.earning ?? {
    // An earlier version kept no days. What is unclaimed counts for the day since when it is unclaimed.
    day: dayOf(row.unclaimedSinceMs ?? row.record.lastRequestTimestamp),
    base: row.claimed < charged ? row.claimed : charged,
  };
  return charged === base ? undefined : { day, amount: charged - base };
}

/**
 * The effect of a change on a channel's day. A day ends with the first charge on a later one, or with the row, so
 * charges write at most one more row per day.
 */
export function earnedBy(before: ChannelRow | undefined, after: ChannelRecord | undefined, nowMs: number): Earned {
  const today = dayOf(nowMs);
  if (before === undefined) {
    if (after === undefined) return { earning: undefined, closed: undefined };
    // What was claimed before this journal knew the channel was also earned before that.
    const [charged, claimed] = [BigInt(after.chargedCumulativeAmount), BigInt(after.totalClaimed)];
    return { earning: { day: today, base: claimed < charged ? claimed : charged }, closed: undefined };
  }
  const charged = BigInt(before.record.chargedCumulativeAmount);
  const open = earningOf(before);
  if (after === undefined) return { earning: undefined, closed: open };
  const earning = before.earning ?? {
    day: open?.day ?? today,
    base: charged - (open?.amount ?? 0n),
  };
  const isCharged = BigInt(after.chargedCumulativeAmount) !== charged;
  if (!isCharged || today <= earning.day) return { earning, closed: undefined };
  return { earning: { day: today, base: charged }, closed: open };
}

import type { ChannelEarning, ChannelRecord, ChannelRow } from "../ports/channels.ts";

const DAY_MS = 86_400_000;

/** A channel's day after a change, and the amount of the day before it, if that day has ended. */
export type Earned = {
  readonly earning: ChannelEarning;
  readonly closed: { readonly day: number; readonly amount: bigint } | undefined;
};

/** The number of a UTC day since 1970. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** What was charged on a channel's current day; undefined if nothing was. */
export function earningOf({
  record,
  earning: { day, base },
}: Pick<ChannelRow, "record" | "earning">): { readonly day: number; readonly amount: bigint } | undefined {
  const amount = BigInt(record.chargedCumulativeAmount) - base;
  return amount === 0n ? undefined : { day, amount };
}

/**
 * The effect of a change on a channel's day. A day ends with the first charge on a later one, or with the row, so
 * charges write at most one more row per day.
 */
export function earnedBy(before: ChannelRow | undefined, after: ChannelRecord, nowMs: number): Earned {
  const today = dayOf(nowMs);
  if (before === undefined) {
    // What was claimed before this journal knew the channel was also earned before that.
    const [charged, claimed] = [BigInt(after.chargedCumulativeAmount), BigInt(after.totalClaimed)];
    return { earning: { day: today, base: claimed < charged ? claimed : charged }, closed: undefined };
  }
  const { earning, record } = before;
  const isCharged = BigInt(after.chargedCumulativeAmount) !== BigInt(record.chargedCumulativeAmount);
  if (!isCharged || today <= earning.day) return { earning, closed: undefined };
  return { earning: { day: today, base: BigInt(record.chargedCumulativeAmount) }, closed: earningOf(before) };
}

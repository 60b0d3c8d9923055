import type { ChannelEarning, ChannelRecord, ChannelRow } from "../ports/channels.ts";

const DAY_MS = 86_400_000;

/** A channel's day after a change, and what its day before that came to, where that one is over. */
export type Earned = {
  readonly earning: ChannelEarning | undefined;
  readonly closed: { readonly day: number; readonly amount: bigint } | undefined;
};

/** The number of a UTC day since 1970. */
export function dayOf(ms: number): number {
  return Math.floor(ms / DAY_MS);
}

/** Charged in a channel on the day that is not over for it; undefined where no day of it began yet. */
export function earningOf(
  row: Pick<ChannelRow, "record" | "claimed" | "earning" | "unclaimedSinceMs">,
): { readonly day: number; readonly amount: bigint } | undefined {
  const charged = BigInt(row.record.chargedCumulativeAmount);
  const { day, base } = row.earning ?? {
    // An earlier version kept no days: what is unclaimed counts, since when it is.
    day: dayOf(row.unclaimedSinceMs ?? row.record.lastRequestTimestamp),
    base: row.claimed < charged ? row.claimed : charged,
  };
  return charged === base ? undefined : { day, amount: charged - base };
}

/**
 * What a change makes of a channel's day. A day ends with the first charge of a later one, or with the row, so a charge
 * writes no further row but once a day.
 */
export function earnedBy(before: ChannelRow | undefined, after: ChannelRecord | undefined, nowMs: number): Earned {
  const today = dayOf(nowMs);
  if (before === undefined) {
    if (after === undefined) return { earning: undefined, closed: undefined };
    // What was claimed before this journal knew the channel was earned before it, too.
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

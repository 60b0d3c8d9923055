import type { Address } from "viem";
import { CANONICAL_CHANNEL_GAS, claimGas } from "../../gas/index.ts";
import type { ChannelReceiver, ChannelRow } from "../../journal/index.ts";
import { chargedOf, unclaimedOf } from "../channels/rows.ts";
import type { KeeperPolicy } from "./policy.ts";
import { claimCost, costOf, type Prices, rowCost, sweepCost } from "./prices.ts";

/** Why a claim is made: the first of these reasons that holds. */
export type ClaimReason = "withdrawal" | "asked" | "age" | "payer's debt" | "channels" | "value";

export type ClaimChoice = { readonly rows: readonly ChannelRow[]; readonly reason: ClaimReason };
export type SweepChoice = { readonly receiver: Address; readonly token: Address; readonly amount: bigint };

/**
 * What a claim of a channel still brings: the unclaimed amount, less what its failed claims have cost. So no channel
 * ever costs more than it holds, however often its claim fails.
 */
export function netOf(row: ChannelRow, prices: Prices): bigint {
  const net = unclaimedOf(row) - costOf(row.fault?.gas ?? 0n, prices);
  return net > 0n ? net : 0n;
}

/**
 * Chooses which channels of one authority are claimed now, if any. Channels under withdrawal are claimed as soon as a
 * claim costs less than it brings, or within the gas that the policy spends on them in any case (`gasFloor`). The
 * others are claimed when one of them is old, a payer owes much, there are many, or a claim costs little compared with
 * what it brings. A claim takes along every channel that is worth its own row, except within `gasFloor`: that is for
 * channels under withdrawal alone.
 */
export function chooseClaims(rows: readonly ChannelRow[], prices: Prices): ClaimChoice | undefined {
  const { policy, nowMs } = prices;
  const claimable = rows.filter((row) => unclaimedOf(row) > 0n && !isHeldBack(row, prices));
  const rowWorth = rowCost(prices);
  // A channel that does not even pay for its own row waits until it does.
  const all = claimable.filter((row) => netOf(row, prices) > rowWorth);
  const urgent = all.filter(({ withdrawal }) => withdrawal !== undefined);
  const worth = all.filter(({ withdrawal }) => withdrawal === undefined);
  const value = sum(all, prices);
  const cost = claimCost(all.length, prices);
  const pays = value > cost;
  if (urgent.length > 0 && pays) return { rows: [...urgent, ...worth], reason: "withdrawal" };
  const spared = withinFloor(claimable, prices);
  if (spared.length > 0) return { rows: spared, reason: "withdrawal" };
  const isOld = worth.some(({ unclaimedSinceMs = nowMs }) => nowMs - unclaimedSinceMs >= policy.maxAgeMs);
  if (isOld && pays) return { rows: worth, reason: "age" };
  if (pays && owesTooMuch(worth, policy)) return { rows: worth, reason: "payer's debt" };
  if (pays && worth.length >= policy.maxChannels) return { rows: worth, reason: "channels" };
  if (worth.length > 0 && cost * 1_000n <= value * policy.maxCostPermille) return { rows: worth, reason: "value" };
  return undefined;
}

/**
 * Channels under withdrawal that are claimed however little they hold: the fullest first, as many as the policy's
 * `gasFloor` covers. Those whose claim took gas and failed are left out.
 */
function withinFloor(rows: readonly ChannelRow[], prices: Prices): readonly ChannelRow[] {
  const { gasFloor } = prices.policy;
  const urgent = rows.filter(({ withdrawal, fault }) => withdrawal !== undefined && (fault?.gas ?? 0n) === 0n);
  let count = urgent.length;
  while (count > 0 && claimGas(CANONICAL_CHANNEL_GAS, count) > gasFloor) count -= 1;
  return [...urgent].sort((a, b) => (unclaimedOf(a) > unclaimedOf(b) ? -1 : 1)).slice(0, count);
}

/** Whether a channel waits because a claim of the same amount failed not long ago. */
export function isHeldBack(row: ChannelRow, { nowMs, policy }: Prices): boolean {
  if (row.fault === undefined || row.fault.charged !== chargedOf(row)) return false;
  return nowMs - row.fault.atMs < (row.withdrawal === undefined ? policy.retryMs : policy.urgentRetryMs);
}

function owesTooMuch(rows: readonly ChannelRow[], { maxUnclaimedPerPayer }: KeeperPolicy): boolean {
  if (maxUnclaimedPerPayer === undefined) return false;
  const owed = new Map<string, bigint>();
  for (const row of rows) {
    const payer = row.record.channelConfig.payer.toLowerCase();
    owed.set(payer, (owed.get(payer) ?? 0n) + unclaimedOf(row));
  }
  return [...owed.values()].some((amount) => amount > maxUnclaimedPerPayer);
}

/** Chooses which receivers are swept now, given what is being claimed for them at the same moment. */
export function chooseSweeps(
  receivers: readonly ChannelReceiver[],
  claimed: readonly ChannelRow[],
  prices: Prices,
): readonly SweepChoice[] {
  const { policy, nowMs } = prices;
  const cost = sweepCost(prices);
  return receivers.flatMap(({ receiver, token, unswept, unsweptSinceMs = nowMs }) => {
    const own = claimed.filter(({ record: { channelConfig: config } }) => {
      return isSame(config.receiver, receiver) && isSame(config.token, token);
    });
    const amount = unswept + own.reduce((total, row) => total + unclaimedOf(row), 0n);
    const isOld = unswept > cost && nowMs - unsweptSinceMs >= policy.maxSweepAgeMs;
    const pays = amount > 0n && cost * 1_000n <= amount * policy.maxCostPermille;
    return isOld || pays ? [{ receiver, token, amount }] : [];
  });
}

/** What these channels still bring in all, by {@link netOf}. */
export function sum(rows: readonly ChannelRow[], prices: Prices): bigint {
  return rows.reduce((total, row) => total + netOf(row, prices), 0n);
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

import type { Address } from "viem";
import { CANONICAL_CHANNEL_GAS, claimGas } from "../gas/index.ts";
import type { ChannelReceiver, ChannelRow } from "../settlement/store/index.ts";
import type { KeeperPolicy } from "./policy.ts";
import { chargedOf, unclaimedOf } from "./rows.ts";

/** Why a claim is made: the first of these that holds. */
export type ClaimReason = "withdrawal" | "asked" | "age" | "payer's debt" | "channels" | "value";

export type ClaimChoice = { readonly rows: readonly ChannelRow[]; readonly reason: ClaimReason };
export type SweepChoice = { readonly receiver: Address; readonly token: Address; readonly amount: bigint };

/** What things cost now. */
export type Prices = { readonly nowMs: number; readonly gasPriceWei: bigint; readonly policy: KeeperPolicy };

const CLAIM_ROW = BigInt(CANONICAL_CHANNEL_GAS.claimRowGas);
const WEI_PER_ETHER = 10n ** 18n;

/** What gas costs, in millionths of a dollar, rounded up. */
export function costOf(gas: bigint, { gasPriceWei, policy }: Pick<Prices, "gasPriceWei" | "policy">): bigint {
  return (gas * gasPriceWei * policy.etherMicroUsd + WEI_PER_ETHER - 1n) / WEI_PER_ETHER;
}

/**
 * Which of the channels of one authority are claimed now, if any. Those under withdrawal are, whatever they hold; the others
 * when one of them is old, a payer owes much, there are many, or a claim costs little of what it brings. A claim
 * for one reason takes along whatever is worth its own row.
 */
export function chooseClaims(rows: readonly ChannelRow[], prices: Prices): ClaimChoice | undefined {
  const { policy, nowMs } = prices;
  const claimable = rows.filter((row) => unclaimedOf(row) > 0n && !isHeldBack(row, prices));
  const urgent = claimable.filter(({ withdrawal }) => withdrawal !== undefined);
  const rowCost = costOf(CLAIM_ROW, prices);
  // What does not even pay for its own row waits until it does, or until its payer withdraws.
  const worth = claimable.filter((row) => row.withdrawal === undefined && unclaimedOf(row) > rowCost);
  const all = [...urgent, ...worth];
  if (urgent.length > 0) return { rows: all, reason: "withdrawal" };
  const cost = costOf(claimGas(CANONICAL_CHANNEL_GAS, worth.length), prices);
  const value = sum(worth);
  const pays = value > cost;
  const isOld = worth.some(({ unclaimedSinceMs = nowMs }) => nowMs - unclaimedSinceMs >= policy.maxAgeMs);
  if (isOld && pays) return { rows: all, reason: "age" };
  if (pays && owesTooMuch(worth, policy)) return { rows: all, reason: "payer's debt" };
  if (pays && worth.length >= policy.maxChannels) return { rows: all, reason: "channels" };
  if (worth.length > 0 && cost * 1_000n <= value * policy.maxCostPermille) return { rows: all, reason: "value" };
  return undefined;
}

/** Whether a channel waits because claiming the same failed not long ago. */
function isHeldBack(row: ChannelRow, { nowMs, policy }: Prices): boolean {
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

/** Which receivers are swept now, given what is being claimed for them in the same moment. */
export function chooseSweeps(
  receivers: readonly ChannelReceiver[],
  claimed: readonly ChannelRow[],
  prices: Prices,
): readonly SweepChoice[] {
  const { policy, nowMs } = prices;
  const cost = costOf(BigInt(CANONICAL_CHANNEL_GAS.sweepGas), prices);
  return receivers.flatMap(({ receiver, token, unswept, unsweptSinceMs = nowMs }) => {
    const own = claimed.filter(({ record: { channelConfig: config } }) => {
      return isSame(config.receiver, receiver) && isSame(config.token, token);
    });
    const amount = unswept + sum(own);
    const isOld = unswept > cost && nowMs - unsweptSinceMs >= policy.maxSweepAgeMs;
    const pays = amount > 0n && cost * 1_000n <= amount * policy.maxCostPermille;
    return isOld || pays ? [{ receiver, token, amount }] : [];
  });
}

function sum(rows: readonly ChannelRow[]): bigint {
  return rows.reduce((total, row) => total + unclaimedOf(row), 0n);
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

import { type Address, getAddress, type Hex, isAddressEqual } from "viem";
import { dayOf, earningOf } from "../../../journal/channels/earning.ts";
import { everyChannel, everyRow } from "../../../journal/pages.ts";
import type { ChannelJournal, ChannelRow } from "../../../journal/ports/channels.ts";
import type { ChannelEvent, LedgerJournal } from "../../../journal/ports/ledger.ts";
import { groupBy } from "../../../lists.ts";
import type { EarningsBook } from "./book.ts";
import { chargedOf, unclaimedOf } from "./channels.ts";

type Port = {
  readonly journal: ChannelJournal & LedgerJournal;
  readonly chainId: number;
  readonly token: Address;
  readonly book: EarningsBook;
  readonly merchantOf: (payee: Address) => string | undefined;
};

type Part = { readonly day: number; amount: bigint };

/** A channel as the journal knows it. */
type Channel = {
  readonly receiver: Address;
  readonly unclaimed: bigint;
  /** The day since when something is unclaimed; if unknown, the day of its last request. */
  readonly sinceDay: number;
  /** The sum of all charges; undefined if the server forgot the channel. */
  readonly charged: bigint | undefined;
  readonly days: Part[];
};

/** A receiver's money that was claimed and is not yet matched with a sweep. */
type Account = {
  /** Claimed and not swept, by the day of the claim. */
  readonly claims: Part[];
  /** Claimed according to the channels, but by claims that the journal has not read. */
  unread: bigint;
  /** Charged before this journal knew the channel, and not part of any claim that it has read. */
  earlier: bigint;
};

/**
 * Adds what channels were charged, and where that money is: unclaimed, unswept or paid out. The oldest charges count as
 * claimed first, the oldest claims as swept first.
 */
export async function addChannels(port: Port): Promise<void> {
  const { journal, chainId, token, book, merchantOf } = port;
  const add = (day: number, receiver: Address, amounts: Parameters<EarningsBook["add"]>[3]) =>
    book.add(day, receiver, merchantOf(receiver), amounts);
  const channels = await readChannels(port);
  const events = await readEvents(port);

  for (const { receiver, unclaimed, sinceDay, days } of channels.values()) {
    for (const { day, amount } of days) add(day, receiver, { earned: amount });
    let rest = unclaimed;
    for (const { day, amount } of [...days].sort((a, b) => b.day - a.day)) {
      const part = rest < amount ? rest : amount;
      if (part > 0n) add(day, receiver, { unclaimed: part });
      rest -= part > 0n ? part : 0n;
    }
    if (rest > 0n) add(sinceDay, receiver, { unclaimed: rest, earned: rest });
  }

  const accounts = new Map<Address, Account>();
  const accountOf = (receiver: Address): Account => {
    const one = accounts.get(receiver) ?? { claims: [], unread: 0n, earlier: 0n };
    accounts.set(receiver, one);
    return one;
  };
  const claimsBy = groupBy(
    events.filter(({ kind }) => kind === "claim"),
    ({ channelId }) => channelId,
  );
  for (const [channelId, { receiver, charged, unclaimed, days }] of channels) {
    const claims = claimsBy.get(channelId) ?? [];
    const known = sum(days) > unclaimed ? sum(days) : unclaimed;
    const missing = known - unclaimed - sum(claims);
    if (missing > 0n) accountOf(receiver).unread += missing;
    // The row may not know of the newest claims yet. So at most what the channel was charged before its days began
    // counts as older than they are.
    const before = charged === undefined ? -missing : charged - known;
    let earlier = -missing < before ? -missing : before;
    if (before > 0n && charged !== undefined) accountOf(receiver).earlier += before - (earlier > 0n ? earlier : 0n);
    for (const { amount, timestampSeconds } of claims) {
      const part = earlier < amount ? earlier : amount;
      if (part <= 0n) break;
      add(dayOf(timestampSeconds * 1000), receiver, { earned: part });
      earlier -= part;
    }
  }

  for (const { kind, receiver, amount, timestampSeconds } of events) {
    const day = dayOf(timestampSeconds * 1000);
    const account = accountOf(receiver);
    if (kind === "claim") {
      account.claims.push({ day, amount });
      continue;
    }
    add(day, receiver, { paidOut: amount });
    let rest = amount - take(account.claims, amount);
    const unread = rest < account.unread ? rest : account.unread;
    account.unread -= unread;
    rest -= unread;
    const earlier = rest < account.earlier ? rest : account.earlier;
    account.earlier -= earlier;
    if (earlier > 0n) add(day, receiver, { earned: earlier });
  }

  const due = (await journal.channelReceivers(chainId)).filter((one) => isAddressEqual(one.token, token));
  for (const [receiver, { claims, unread, earlier }] of accounts) {
    for (const { day, amount } of claims) if (amount > 0n) add(day, receiver, { unswept: amount });
    const { unswept = 0n, unsweptSinceMs } = due.find((one) => isAddressEqual(one.receiver, receiver)) ?? {};
    const beyond = unswept - sum(claims);
    if (beyond <= 0n || unsweptSinceMs === undefined) continue;
    const part = beyond < unread ? beyond : unread;
    const older = beyond - part < earlier ? beyond - part : earlier;
    add(dayOf(unsweptSinceMs), receiver, { unswept: part + older, earned: older });
  }
}

async function readChannels({ journal, chainId, token }: Port): Promise<ReadonlyMap<Hex, Channel>> {
  const channels = new Map<Hex, Channel>();
  for await (const page of everyChannel(journal, chainId)) {
    for (const row of page) {
      const { receiver, token: its } = row.record.channelConfig as { receiver: Address; token: Address };
      if (!isAddressEqual(its, token)) continue;
      const today = earningOf(row);
      channels.set(row.channelId, {
        receiver: getAddress(receiver),
        unclaimed: unclaimedOf({ record: row.record, claimed: claimedOf(row) }),
        sinceDay: dayOf(row.unclaimedSinceMs ?? row.record.lastRequestTimestamp),
        charged: chargedOf(row),
        days: today === undefined ? [] : [today],
      });
    }
  }
  for await (const page of everyRow((query) => journal.channelDays({ chainId, ...query }))) {
    for (const { channelId, receiver, token: its, day, amount } of page) {
      if (!isAddressEqual(its, token)) continue;
      const channel = channels.get(channelId) ?? {
        receiver: getAddress(receiver),
        unclaimed: 0n,
        sinceDay: day,
        charged: undefined,
        days: [],
      };
      channels.set(channelId, channel);
      channel.days.push({ day, amount });
    }
  }
  return channels;
}

/**
 * The total that was claimed from a channel: the larger of what a keeper and what the server noted. The server knows of
 * its own claims before any keeper does.
 */
function claimedOf({ claimed, record }: ChannelRow): bigint {
  const its = BigInt(record.totalClaimed);
  return its > claimed ? its : claimed;
}

/** Claims and sweeps in the order of the chain. */
async function readEvents({ journal, chainId, token }: Port): Promise<readonly ChannelEvent[]> {
  const events: ChannelEvent[] = [];
  for await (const page of everyRow((query) => journal.channelEvents({ chainId, ...query }))) {
    for (const event of page) {
      const isWanted = event.kind === "claim" || event.kind === "sweep";
      if (isWanted && isAddressEqual(event.token, token))
        events.push({ ...event, receiver: getAddress(event.receiver) });
    }
  }
  return events.sort((a, b) => Number(a.blockNumber - b.blockNumber) || a.logIndex - b.logIndex);
}

/** Takes an amount off the oldest parts, as far as they go. Returns how much it took. */
function take(parts: Part[], amount: bigint): bigint {
  let rest = amount;
  for (let first = parts[0]; first !== undefined && rest > 0n; first = parts[0]) {
    const part = rest < first.amount ? rest : first.amount;
    rest -= part;
    first.amount -= part;
    if (first.amount === 0n) parts.shift();
  }
  return amount - rest;
}

function sum(parts: readonly { readonly amount: bigint }[]): bigint {
  return parts.reduce((total, { amount }) => total + amount, 0n);
}

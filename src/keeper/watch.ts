import { type ChainChannel, readChannels, readUnswept } from "../chain/channels.ts";
import type { ChainClient } from "../chain/client.ts";
import type { Clock } from "../clock.ts";
import type { ChannelRow, Store } from "../settlement/store/index.ts";
import type { KeeperPolicy } from "./policy.ts";
import { unsynced } from "./reservation.ts";
import { changeRows, everyChannel, type RowContent } from "./rows.ts";
import { followWithdrawals } from "./withdrawals.ts";

export type WatchPort = {
  readonly store: Store;
  readonly client: ChainClient;
  readonly clock: Clock;
  readonly policy: KeeperPolicy;
};

/**
 * Takes up what happened to the merchant's channels since the last time, from the block where that ended: downtime included.
 * The first time it begins at `head`: what was before that, an audit finds.
 * @returns How many of the merchant's channels it concerned.
 * @throws ChainUnavailableError where the node does not answer. What was read until then is kept.
 */
export async function catchUp(port: WatchPort, head: bigint): Promise<number> {
  const { store, client, policy } = port;
  const name = `channels:${client.chain.id}`;
  const cursor = await store.cursor(name);
  const last = cursor === undefined ? head : BigInt(cursor);
  const from = last > policy.rewindBlocks ? last - policy.rewindBlocks + 1n : 0n;
  let concerned = 0;
  await followWithdrawals(client, { from, to: head }, async (channelIds, upTo) => {
    concerned += await lookAt(port, [...(await store.channels(channelIds)).values()]);
    if (upTo > last || cursor === undefined) await store.setCursor(name, upTo.toString());
  });
  return concerned;
}

/**
 * Asks the chain about every channel with something unclaimed or under withdrawal, and about every receiver.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function audit(port: WatchPort): Promise<void> {
  const { store, client } = port;
  for (const only of ["withdrawing", "unclaimed"] as const) {
    for await (const page of everyChannel(store, client.chain.id, only)) await lookAt(port, page);
  }
  await lookAtReceivers(port);
}

/** Notes what the chain says of these channels; how many there are. */
export async function lookAt(port: WatchPort, rows: readonly ChannelRow[]): Promise<number> {
  const { store, client, clock } = port;
  const ids = rows.map(({ channelId }) => channelId);
  const states = await readChannels(client, ids);
  const byId = new Map(ids.map((id, index) => [id, states[index]] as const));
  await changeRows(store, ids, clock.now(), (row) => {
    const state = byId.get(row.channelId);
    return state === undefined ? row : noted(row, state);
  });
  return ids.length;
}

/** A row with what the chain says; the row itself where that is nothing new, undefined where it is of no use any more. */
function noted(
  row: ChannelRow,
  { totalClaimed, withdrawal: { amount, initiatedAt } }: ChainChannel,
): RowContent | undefined {
  const { record } = row;
  const finalizeAfter = initiatedAt + record.channelConfig.withdrawDelay;
  const withdrawal = initiatedAt === 0 ? undefined : { amount, initiatedAt, finalizeAfter };
  if (row.isDeleted && BigInt(record.chargedCumulativeAmount) <= totalClaimed) return undefined;
  const isSame =
    row.claimed === totalClaimed &&
    row.withdrawal?.initiatedAt === withdrawal?.initiatedAt &&
    row.withdrawal?.amount === withdrawal?.amount;
  if (isSame) return row;
  const isMoved = row.withdrawal?.initiatedAt !== withdrawal?.initiatedAt;
  // The server must not go by the balance that it knew before the payer took some of it.
  const fresh = isMoved ? unsynced(record) : record;
  return { ...row, record: fresh, claimed: totalClaimed, withdrawal };
}

/** Notes what is claimed and not swept of every receiver. */
export async function lookAtReceivers({ store, client, clock }: WatchPort): Promise<void> {
  const receivers = await store.channelReceivers(client.chain.id);
  const amounts = await readUnswept(client, receivers);
  const changed = receivers.flatMap((one, index) => {
    const unswept = amounts[index] ?? one.unswept;
    if (unswept === one.unswept) return [];
    const unsweptSinceMs = unswept === 0n ? undefined : (one.unsweptSinceMs ?? clock.now());
    return [{ ...one, unswept, unsweptSinceMs }];
  });
  await store.noteChannelReceivers(changed);
}

import type { ChainClient } from "../../chain/client.ts";
import { type ChainChannel, readChannels, readUnswept } from "../../chain/facts/channels.ts";
import { readChannelLogs } from "../../chain/logs/channelLogs.ts";
import { inPieces } from "../../chain/logs/tokenLogs.ts";
import type { Clock } from "../../clock.ts";
import type { ChannelRow, Journal } from "../../journal/index.ts";
import { channelCursor, channelCursorStart } from "../../settlement/reports/earnings/cursor.ts";
import { noteRange } from "./events.ts";
import { unsynced } from "./reservation.ts";
import { changeRows, everyChannel, type RowContent } from "./rows.ts";

export type WatchPort = {
  readonly journal: Journal;
  readonly client: ChainClient;
  readonly clock: Clock;
};

/**
 * Takes up what happened to the merchant's channels since the last time, from the block where that ended: downtime included. What
 * was claimed, swept and given back, by whomever, is noted. The first time it begins at `firstBlock`, or at `head`: what is
 * claimed and withdrawn since before that, an audit finds. It begins at `firstBlock` once more where it never did.
 * @returns How many of the merchant's channels were withdrawn from, given back, or claimed by somebody else.
 * @throws ChainUnavailableError where the node does not answer. What was read until then is kept.
 */
export async function catchUp(
  port: WatchPort & { readonly policy: { readonly rewindBlocks: bigint } },
  head: bigint,
  firstBlock?: bigint,
): Promise<number> {
  const { journal, client, policy } = port;
  const name = channelCursor(client.chain.id);
  const cursor = await journal.cursor(name);
  const last = cursor === undefined ? (firstBlock ?? head) : BigInt(cursor);
  const rewound = last > policy.rewindBlocks ? last - policy.rewindBlocks + 1n : 0n;
  const start = await journal.cursor(channelCursorStart(client.chain.id));
  // Journals of earlier versions do not say where they began.
  const isEarlier =
    firstBlock !== undefined && firstBlock < rewound && (start === undefined || firstBlock < BigInt(start));
  const from = isEarlier ? firstBlock : rewound;
  let concerned = 0;
  await inPieces({ from, to: head }, async (piece) => {
    const logs = await readChannelLogs(client, piece);
    await noteRange(port, piece, logs);
    const rows = await journal.channels([
      ...new Set(logs.flatMap((log) => ("channelId" in log ? [log.channelId] : []))),
    ]);
    const moved = logs.flatMap((log) => {
      const row = log.kind === "sweep" ? undefined : rows.get(log.channelId);
      // A claim of our own is in its row already.
      return row === undefined || (log.kind === "claim" && log.totalClaimed <= row.claimed) ? [] : [row];
    });
    concerned += await lookAt(port, [...new Set(moved)]);
    if (piece.to > last || cursor === undefined) await journal.setCursor(name, piece.to.toString());
    return logs.length;
  });
  if (isEarlier || cursor === undefined) await journal.setCursor(channelCursorStart(client.chain.id), from.toString());
  return concerned;
}

/**
 * Asks the chain about every channel with something unclaimed or under withdrawal, and about every receiver.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function audit(port: WatchPort): Promise<void> {
  const { journal, client } = port;
  for (const only of ["withdrawing", "unclaimed"] as const) {
    for await (const page of everyChannel(journal, client.chain.id, only)) await lookAt(port, page);
  }
  await lookAtReceivers(port);
}

/** Notes what the chain says of these channels; how many there are. */
export async function lookAt(port: WatchPort, rows: readonly ChannelRow[]): Promise<number> {
  const { journal, client, clock } = port;
  const ids = rows.map(({ channelId }) => channelId);
  const states = await readChannels(client, ids);
  const byId = new Map(ids.map((id, index) => [id, states[index]] as const));
  await changeRows(journal, ids, clock.now(), (row) => {
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
export async function lookAtReceivers({ journal, client, clock }: WatchPort): Promise<void> {
  const receivers = await journal.channelReceivers(client.chain.id);
  const amounts = await readUnswept(client, receivers);
  const changed = receivers.flatMap((one, index) => {
    const unswept = amounts[index] ?? one.unswept;
    if (unswept === one.unswept) return [];
    const unsweptSinceMs = unswept === 0n ? undefined : (one.unsweptSinceMs ?? clock.now());
    return [{ ...one, unswept, unsweptSinceMs }];
  });
  await journal.noteChannelReceivers(changed);
}

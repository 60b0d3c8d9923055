import type { ChainClient } from "../../chain/client.ts";
import { type ChainChannel, readChannels, readUnswept } from "../../chain/facts/channels.ts";
import { readChannelLogs } from "../../chain/logs/channelLogs.ts";
import { inPieces } from "../../chain/logs/tokenLogs.ts";
import type { Clock } from "../../clock.ts";
import type { ChannelRow, Journal } from "../../journal/index.ts";
import { everyChannel } from "../../journal/pages.ts";
import { channelCursor, channelCursorStart } from "../../settlement/reports/earnings/cursor.ts";
import { noteRange } from "./events.ts";
import { unsynced } from "./reservation.ts";
import { changeRows, type RowContent } from "./rows.ts";

export type WatchPort = {
  readonly journal: Journal;
  readonly client: ChainClient;
  readonly clock: Clock;
};

/**
 * Reads what happened to the merchant's channels since the last time, downtime included, and reads the last
 * `rewindBlocks` blocks of that time again. It notes what was claimed, swept and given back, no matter by whom. The
 * first time, it begins at `firstBlock`, or at `head` if there is none; claims and withdrawals from before that block
 * are found by {@link audit}. If `firstBlock` is earlier than where it ever began, it begins there once.
 * @returns How many of the merchant's channels had a withdrawal or a refund, or a claim by somebody else. A channel
 * counts once in each range of blocks that is read.
 * @throws ChainUnavailableError if the node does not answer. What was read until then is kept.
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
  // `start` is undefined if the first reading was not finished.
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
      // Our own claims are in their rows already.
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
 * Asks the chain about every channel that has something unclaimed or is under withdrawal, and about every receiver.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function audit(port: WatchPort): Promise<void> {
  const { journal, client } = port;
  for (const only of ["withdrawing", "unclaimed"] as const) {
    for await (const page of everyChannel(journal, client.chain.id, only)) await lookAt(port, page);
  }
  await lookAtReceivers(port);
}

/** Notes what the chain says about these channels, and returns how many there are. */
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

/** A row with what the chain says: the row itself if nothing is new, undefined if it is no longer needed. */
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
  // The server must not rely on the balance that it knew before: the payer may have taken some of it.
  const fresh = isMoved ? unsynced(record) : record;
  return { ...row, record: fresh, claimed: totalClaimed, withdrawal };
}

/** Notes what is claimed and not swept, for every receiver. */
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

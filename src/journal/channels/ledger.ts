import type { Kysely } from "kysely";
import type { Hex } from "viem";
import type { Backend, Write } from "../database/backend.ts";
import { decodeInteger } from "../database/codec.ts";
import type { ChannelEventTable, Tables } from "../database/tables.ts";
import type { ChannelDay, ChannelEvent, ChannelParties, LedgerJournal } from "../ports/ledger.ts";
import { decodeRecord } from "./codec.ts";

const dayColumns = {
  chain_id: "integer",
  channel_id: "text",
  payer: "text",
  receiver: "text",
  token: "text",
  day: "integer",
  amount: "text",
} as const;
const dayNames = Object.keys(dayColumns) as (keyof typeof dayColumns)[];

const eventColumns = {
  chain_id: "integer",
  kind: "text",
  channel_id: "text",
  payer: "text",
  receiver: "text",
  token: "text",
  amount: "text",
  transaction_hash: "text",
  log_index: "integer",
  block_number: "integer",
  block_timestamp: "integer",
} as const;
const eventNames = Object.keys(eventColumns) as (keyof typeof eventColumns)[];

type Instead = NonNullable<Parameters<LedgerJournal["noteChannelEvents"]>[1]>;

/** Days that have ended, and events of the chain. */
export function ledgerMethods({ read, write, dialect }: Backend): LedgerJournal {
  return {
    channelParties: async (channelIds) => {
      if (channelIds.length === 0) return new Map();
      return read(async (db) => {
        const among = dialect.isOneOf("channel_id", channelIds);
        // Rows are read first: if a channel is given up in between, its days are there by the time that those are read.
        const present = await db.selectFrom("channels").select(["channel_id", "record"]).where(among).execute();
        const over = await db
          .selectFrom("channel_days")
          .select(["channel_id", "payer", "receiver", "token"])
          .distinct()
          .where(among)
          .execute();
        const parties = new Map<Hex, ChannelParties>(over.map(({ channel_id, ...rest }) => [channel_id, rest]));
        for (const { channel_id, record } of present) {
          const { payer, receiver, token } = decodeRecord(record).channelConfig;
          parties.set(channel_id, { payer, receiver, token });
        }
        return parties;
      });
    },

    channelDays: ({ chainId, afterId, limit }) =>
      read(async (db) => {
        const query = db.selectFrom("channel_days").selectAll().where("chain_id", "=", chainId);
        const rows = await query.where("id", ">", afterId).orderBy("id").limit(limit).execute();
        return rows.map(({ id, channel_id: channelId, payer, receiver, token, day, amount }) => {
          return { id, chainId, channelId, payer, receiver, token, day, amount: decodeInteger(amount) };
        });
      }),

    channelEvents: ({ chainId, afterId, limit }) =>
      read(async (db) => {
        const query = db.selectFrom("channel_events").selectAll().where("chain_id", "=", chainId);
        const rows = await query.where("id", ">", afterId).orderBy("id").limit(limit).execute();
        return rows.map((row) => ({ id: row.id, ...channelEvent(row) }));
      }),

    channelEventsIn: async (chainId, transactionHashes) => {
      if (transactionHashes.length === 0) return [];
      return read(async (db) => {
        const query = db.selectFrom("channel_events").selectAll().where("chain_id", "=", chainId);
        const among = dialect.isOneOf("transaction_hash", transactionHashes);
        return (await query.where(among).orderBy("id").execute()).map(channelEvent);
      });
    },

    noteChannelEvents: async (events, instead) => {
      const noted = instead === undefined ? [] : await read((db) => selectRange(db, instead).execute());
      // A keeper looks at the same blocks again and again, so mostly there is nothing to change.
      const news = events.filter((event) => !noted.some((row) => isNoted(row, event)));
      if (news.length === 0 && (instead === undefined || goneFrom(noted, instead.logs).length === 0)) return;
      await write(async (transaction) => {
        if (instead !== undefined) await forgetOthers(transaction, instead);
        if (news.length > 0) await noteEvents(transaction, news);
      });
    },
  };
}

/** Adds days that have ended. */
export async function addDays({ db, dialect }: Write, days: readonly Omit<ChannelDay, "id">[]): Promise<void> {
  if (days.length === 0) return;
  const rows = days.map(({ chainId, channelId, payer, receiver, token, day, amount }) => {
    return { chain_id: chainId, channel_id: channelId, payer, receiver, token, day, amount: amount.toString() };
  });
  await db
    .insertInto("channel_days")
    .columns(dayNames)
    .expression(({ selectFrom }) => selectFrom(dialect.records(rows, dayColumns)).select(dayNames).orderBy("position"))
    .execute();
}

async function noteEvents({ db, dialect }: Write, events: readonly ChannelEvent[]): Promise<void> {
  const rows = events.map((event) => ({
    chain_id: event.chainId,
    kind: event.kind,
    channel_id: event.channelId ?? null,
    payer: event.payer ?? null,
    receiver: event.receiver,
    token: event.token,
    amount: event.amount.toString(),
    transaction_hash: event.transactionHash,
    log_index: event.logIndex,
    block_number: Number(event.blockNumber),
    block_timestamp: event.timestampSeconds,
  }));
  await db
    .insertInto("channel_events")
    .columns(eventNames)
    .expression(({ selectFrom, lit }) =>
      selectFrom(dialect.records(rows, eventColumns))
        .select(eventNames)
        .where(({ eb }) => eb(lit(1), "=", 1))
        .orderBy("position"),
    )
    // The same transaction may be mined again, in another block.
    .onConflict((conflict) =>
      conflict.columns(["chain_id", "transaction_hash", "log_index"]).doUpdateSet(({ ref }) => ({
        kind: ref("excluded.kind"),
        channel_id: ref("excluded.channel_id"),
        payer: ref("excluded.payer"),
        receiver: ref("excluded.receiver"),
        token: ref("excluded.token"),
        amount: ref("excluded.amount"),
        block_number: ref("excluded.block_number"),
        block_timestamp: ref("excluded.block_timestamp"),
      })),
    )
    .execute();
}

function selectRange(db: Kysely<Tables>, { chainId, from, to }: Instead) {
  return db
    .selectFrom("channel_events")
    .select(["id", "transaction_hash", "log_index", "block_number"])
    .where("chain_id", "=", chainId)
    .where("block_number", ">=", Number(from))
    .where("block_number", "<=", Number(to));
}

type Noted = Pick<ChannelEventTable, "transaction_hash" | "log_index" | "block_number">;

function isNoted(row: Noted, { transactionHash, logIndex, blockNumber }: ChannelEvent): boolean {
  const isSame = row.transaction_hash === transactionHash && row.log_index === logIndex;
  return isSame && BigInt(row.block_number) === blockNumber;
}

/** Noted events that are not among the chain's present logs. */
function goneFrom<Row extends Noted>(noted: readonly Row[], logs: Instead["logs"]): Row[] {
  const there = new Set(logs.map(({ transactionHash, logIndex }) => `${transactionHash}:${logIndex}`));
  return noted.filter(({ transaction_hash, log_index }) => !there.has(`${transaction_hash}:${log_index}`));
}

async function forgetOthers({ db, dialect }: Write, instead: Instead): Promise<void> {
  const ids = goneFrom(await selectRange(db, instead).execute(), instead.logs).map(({ id }) => id);
  if (ids.length > 0) await db.deleteFrom("channel_events").where(dialect.isOneOf("id", ids)).execute();
}

function channelEvent(row: Omit<ChannelEventTable, "id">): ChannelEvent {
  return {
    chainId: row.chain_id,
    kind: row.kind,
    channelId: row.channel_id ?? undefined,
    payer: row.payer ?? undefined,
    receiver: row.receiver,
    token: row.token,
    amount: decodeInteger(row.amount),
    transactionHash: row.transaction_hash,
    logIndex: row.log_index,
    blockNumber: BigInt(row.block_number),
    timestampSeconds: row.block_timestamp,
  };
}

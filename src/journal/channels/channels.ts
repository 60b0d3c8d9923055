import { randomInt } from "node:crypto";
import type { Kysely } from "kysely";
import { getAddress, type Hex } from "viem";
import { type Backend, type Write, withParameters } from "../database/backend.ts";
import { decodeInteger } from "../database/codec.ts";
import type { Dialect } from "../database/dialect.ts";
import type { ChannelTable, Tables } from "../database/tables.ts";
import type { ChannelChange, ChannelJournal, ChannelReceiver, ChannelRow } from "../ports/channels.ts";
import type { ChannelDay } from "../ports/ledger.ts";
import { decodeFault, decodeRecord, decodeWithdrawal, encodeFault, encodeRecord, encodeWithdrawal } from "./codec.ts";
import { type Earned, earnedBy, earningOf } from "./earning.ts";
import { addDays } from "./ledger.ts";

/** The most rows that are read in this thread on SQLite: such a read holds up everything else in the process. */
const FEW = 64;

/** Channels and their receivers. */
export function channelMethods({ read, readOne, write, writeOne, compile, dialect }: Backend): ChannelJournal {
  const select = (db: Kysely<Tables>, channelIds: readonly Hex[]) =>
    db.selectFrom("channels").selectAll().where(dialect.isOneOf("channel_id", channelIds));
  // The statements that a server runs with every request, each with one parameter.
  const selectFew = compile((db) => select(db, ["0x"]));
  const rewriteAll = compile((db) => rewrite(db, dialect, []));

  return {
    channels: async (channelIds) => {
      if (channelIds.length === 0) return new Map();
      const rows = await (channelIds.length <= FEW
        ? readOne(withParameters(selectFew, dialect.listParameter(channelIds)))
        : read((db) => select(db, channelIds).execute()));
      return new Map(rows.map((row) => [row.channel_id, channelRow(row)]));
    },

    listChannels: ({ chainId, only, afterId, limit }) =>
      read(async (db) => {
        let query = db.selectFrom("channels").selectAll().where("chain_id", "=", chainId);
        if (only !== undefined) {
          query = query.where(only === "unclaimed" ? "unclaimed_since_ms" : "withdrawal", "is not", null);
        }
        if (afterId !== undefined) query = query.where("channel_id", ">", afterId);
        return (await query.orderBy("channel_id").limit(limit).execute()).map(channelRow);
      }),

    changeChannels: async (changes, nowMs) => {
      if (changes.length === 0) return new Set();
      const { added, kept, removed, closed } = sortOut(changes, nowMs);
      if (added.length === 0 && removed.length === 0 && closed.length === 0) {
        return idsOf(await writeOne(withParameters(rewriteAll, dialect.recordsParameter(kept))));
      }
      return write(async (transaction) => {
        const done = new Set<Hex>();
        // Rewrites come first: every transaction takes its locks in the same order.
        if (kept.length > 0) {
          for (const id of idsOf(await rewrite(transaction.db, dialect, kept).execute())) done.add(id);
        }
        for (const id of await add(transaction, added)) done.add(id);
        for (const id of await remove(transaction, removed)) done.add(id);
        const over = closed.filter(({ channelId }) => done.has(channelId));
        await addDays(transaction, over);
        return done;
      });
    },

    channelReceivers: (chainId) =>
      read(async (db) => {
        const rows = await db.selectFrom("channel_receivers").selectAll().where("chain_id", "=", chainId).execute();
        return rows.map(({ receiver, token, unswept, unswept_since_ms }) => ({
          chainId,
          receiver,
          token,
          unswept: decodeInteger(unswept),
          unsweptSinceMs: unswept_since_ms ?? undefined,
        }));
      }),

    noteChannelReceivers: async (receivers) => {
      if (receivers.length > 0) await write((transaction) => noteReceivers(transaction, receivers));
    },

    countChannels: (chainId) =>
      read(async (db) => {
        const query = db.selectFrom("channels").select(({ fn }) => fn.countAll<number>().as("channels"));
        const row = await query.where("chain_id", "=", chainId).where("is_deleted", "=", 0).executeTakeFirst();
        return row?.channels ?? 0;
      }),
  };
}

type RemovedEntry = { readonly channel_id: Hex; readonly before: number };
type Entry = ChannelTable & RemovedEntry;

const columns = {
  channel_id: "text",
  chain_id: "integer",
  version: "integer",
  record: "text",
  claimed: "text",
  withdrawal: "text",
  fault: "text",
  is_deleted: "integer",
  unclaimed_since_ms: "integer",
  earning_day: "integer",
  earning_base: "text",
  before: "integer",
} as const;
const names = Object.keys(columns).filter((name) => name !== "before") as (keyof ChannelTable)[];

/** Changes as rows to add, to rewrite and to remove, each ordered by id, and the days that end with them. */
function sortOut(changes: readonly ChannelChange[], nowMs: number) {
  const added: Entry[] = [];
  const kept: Entry[] = [];
  const removed: RemovedEntry[] = [];
  const closed: Omit<ChannelDay, "id">[] = [];
  const close = (
    { channelId, chainId, record }: Pick<ChannelRow, "channelId" | "chainId" | "record">,
    day: Earned["closed"],
  ) => {
    if (day === undefined) return;
    const { payer, receiver, token } = record.channelConfig;
    closed.push({ chainId, channelId, payer, receiver, token, ...day });
  };
  for (const { before, after } of changes) {
    if (after === undefined) {
      if (before === undefined) continue;
      close(before, earningOf(before));
      removed.push({ channel_id: before.channelId, before: before.version });
      continue;
    }
    const { channelId, chainId, record, claimed, withdrawal, fault, isDeleted } = after;
    const earned = earnedBy(before, record, nowMs);
    close(after, earned.closed);
    const isUnclaimed = BigInt(record.chargedCumulativeAmount) > claimed;
    const entry: Entry = {
      channel_id: channelId,
      chain_id: chainId,
      // A random number, not a counter: a channel that is removed and added again must not look unchanged.
      version: randomInt(2 ** 47),
      record: encodeRecord(record),
      claimed: claimed.toString(),
      withdrawal: withdrawal === undefined ? null : encodeWithdrawal(withdrawal),
      fault: fault === undefined ? null : encodeFault(fault),
      is_deleted: isDeleted ? 1 : 0,
      unclaimed_since_ms: isUnclaimed ? (before?.unclaimedSinceMs ?? nowMs) : null,
      earning_day: earned.earning.day,
      earning_base: earned.earning.base.toString(),
      before: before?.version ?? 0,
    };
    if (before === undefined) added.push(entry);
    else kept.push(entry);
  }
  for (const list of [added, kept, removed]) list.sort((a, b) => (a.channel_id < b.channel_id ? -1 : 1));
  return { added, kept, removed, closed };
}

async function add(transaction: Write, rows: readonly Entry[]): Promise<readonly Hex[]> {
  if (rows.length === 0) return [];
  const { db, dialect } = transaction;
  const inserted = await db
    .insertInto("channels")
    .columns(names)
    .expression(({ selectFrom, lit }) =>
      selectFrom(dialect.records(rows, columns))
        .select(names)
        .where(({ eb }) => eb(lit(1), "=", 1))
        .orderBy("position"),
    )
    .onConflict((conflict) => conflict.column("channel_id").doNothing())
    .returning(["channel_id", "chain_id", "record"])
    .execute();
  const receivers = inserted.map(({ chain_id: chainId, record }): ChannelReceiver => {
    const { receiver, token } = decodeRecord(record).channelConfig;
    return { chainId, receiver, token, unswept: 0n, unsweptSinceMs: undefined };
  });
  if (receivers.length > 0) await noteReceivers(transaction, receivers, { keep: true });
  return inserted.map(({ channel_id }) => channel_id);
}

function rewrite(db: Kysely<Tables>, dialect: Dialect, rows: readonly Entry[]) {
  return db
    .updateTable("channels")
    .from(dialect.records(rows, columns))
    .set(({ ref }) => ({
      version: ref("input.version"),
      record: ref("input.record"),
      claimed: ref("input.claimed"),
      withdrawal: ref("input.withdrawal"),
      fault: ref("input.fault"),
      is_deleted: ref("input.is_deleted"),
      unclaimed_since_ms: ref("input.unclaimed_since_ms"),
      earning_day: ref("input.earning_day"),
      earning_base: ref("input.earning_base"),
    }))
    .whereRef("channels.channel_id", "=", "input.channel_id")
    .whereRef("channels.version", "=", "input.before")
    .returning("channels.channel_id");
}

/** A statement with one parameter, given another value for it. */
const idsOf = (rows: readonly Pick<ChannelTable, "channel_id">[]): ReadonlySet<Hex> =>
  new Set(rows.map(({ channel_id }) => channel_id));

async function remove({ db, dialect }: Write, rows: readonly RemovedEntry[]): Promise<readonly Hex[]> {
  if (rows.length === 0) return [];
  const removed = await db
    .deleteFrom("channels")
    .where(({ eb, selectFrom }) =>
      eb(
        "channel_id",
        "in",
        selectFrom(dialect.records(rows, { channel_id: "text", before: "integer" }))
          .select("input.channel_id")
          .whereRef("input.channel_id", "=", "channels.channel_id")
          .whereRef("input.before", "=", "channels.version"),
      ),
    )
    .returning("channel_id")
    .execute();
  return removed.map(({ channel_id }) => channel_id);
}

/** @param options With `keep`, what is already known about a receiver stays as it is. */
async function noteReceivers(
  { db, dialect }: Write,
  receivers: readonly ChannelReceiver[],
  { keep = false }: { readonly keep?: boolean } = {},
): Promise<void> {
  const fields = {
    chain_id: "integer",
    receiver: "text",
    token: "text",
    unswept: "text",
    unswept_since_ms: "integer",
  } as const;
  const rows = new Map(
    receivers.map((one) => {
      const receiver = getAddress(one.receiver);
      const token = getAddress(one.token);
      const row = {
        chain_id: one.chainId,
        receiver,
        token,
        unswept: one.unswept.toString(),
        unswept_since_ms: one.unswept > 0n ? (one.unsweptSinceMs ?? null) : null,
      };
      return [`${one.chainId} ${receiver} ${token}`, row] as const;
    }),
  );
  const columnsOf = Object.keys(fields) as (keyof typeof fields)[];
  await db
    .insertInto("channel_receivers")
    .columns(columnsOf)
    .expression(({ selectFrom, lit }) =>
      selectFrom(dialect.records([...rows.values()], fields))
        .select(columnsOf)
        .where(({ eb }) => eb(lit(1), "=", 1))
        .orderBy("receiver")
        .orderBy("token"),
    )
    .onConflict((conflict) => {
      const key = conflict.columns(["chain_id", "receiver", "token"]);
      if (keep) return key.doNothing();
      return key.doUpdateSet(({ ref }) => ({
        unswept: ref("excluded.unswept"),
        unswept_since_ms: ref("excluded.unswept_since_ms"),
      }));
    })
    .execute();
}

function channelRow(row: ChannelTable): ChannelRow {
  return {
    channelId: row.channel_id,
    chainId: row.chain_id,
    record: decodeRecord(row.record),
    claimed: decodeInteger(row.claimed),
    withdrawal: row.withdrawal === null ? undefined : decodeWithdrawal(row.withdrawal),
    fault: row.fault === null ? undefined : decodeFault(row.fault),
    isDeleted: row.is_deleted === 1,
    unclaimedSinceMs: row.unclaimed_since_ms ?? undefined,
    earning: { day: row.earning_day, base: decodeInteger(row.earning_base) },
    version: row.version,
  };
}

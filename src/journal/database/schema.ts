import { type Kysely, type RawBuilder, sql } from "kysely";
import { EXCLUSIVE_STATES, STATES } from "../ports/payments.ts";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/** Creates the tables of version 1. A later version changes them by a migration of its own and leaves this alone. */
export async function createTables(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  await createBatches(db, dialect);
  await createPayments(db, dialect);
  await createSenders(db, dialect);
  await createNotes(db, dialect);
  await createChannels(db, dialect);
  await createLedger(db, dialect);
  await createKeeperCalls(db, dialect);
}

/** The nonce of an authorization: the last 66 characters of its identity, in lower case. */
export function nonceOf(dialect: Dialect): RawBuilder<string> {
  return dialect.ending("identity", 66);
}

/** Signed transactions. */
async function createBatches(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => createTable(db, dialect, name);
  const withId = (name: string) => createTableWithId(db, dialect, name);

  await table("batches")
    .addColumn("id", "text", (column) => column.primaryKey().notNull())
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("sender", "text", (column) => column.notNull())
    .addColumn("tx_nonce", integer, (column) => column.notNull())
    .addColumn("state", "text", (column) =>
      column.notNull().check(isOneOf("state", ["open", "mined", "final", "lost"])),
    )
    .addColumn("receipt", "text")
    .addColumn("created_at_ms", integer, (column) => column.notNull())
    .execute();
  // One batch per txNonce, except for those that lost it to another transaction.
  await db.schema
    .createIndex("batches_tx_nonce")
    .unique()
    .on("batches")
    .columns(["chain_id", "sender", "tx_nonce"])
    .where(sql.ref("state"), "<>", sql.lit("lost"))
    .execute();
  await db.schema.createIndex("batches_sender").on("batches").columns(["chain_id", "sender", "tx_nonce"]).execute();
  await db.schema
    .createIndex("batches_state")
    .on("batches")
    .columns(["chain_id", "state", "sender", "tx_nonce"])
    .execute();

  await withId("attempts")
    .addColumn("hash", "text", (column) => column.notNull().unique())
    .addColumn("batch_id", "text", (column) => column.notNull().references("batches.id"))
    .addColumn("raw", "text", (column) => column.notNull())
    .addColumn("gas", "text", (column) => column.notNull())
    .addColumn("max_fee_per_gas", "text", (column) => column.notNull())
    .addColumn("max_priority_fee_per_gas", "text", (column) => column.notNull())
    .addColumn("payment_ids", "text", (column) => column.notNull())
    .addColumn("kind", "text", (column) =>
      column.notNull().check(isOneOf("kind", ["router", "direct", "call", "noop"])),
    )
    .addColumn("router", "text")
    .addColumn("created_at_ms", integer, (column) => column.notNull())
    .addColumn("broadcast_at_ms", integer)
    .execute();
  await db.schema.createIndex("attempts_batch").on("attempts").columns(["batch_id", "id"]).execute();
}

/** Payments and their histories. They come after the batches, which they refer to. */
async function createPayments(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const withId = (name: string) => createTableWithId(db, dialect, name);

  await withId("payments")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("identity", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("work", "text", (column) => column.notNull())
    .addColumn("deadline", "text", (column) => column.notNull())
    .addColumn("deadline_rank", integer, (column) => column.notNull())
    .addColumn("accepted_block", "text", (column) => column.notNull())
    .addColumn("source", "text")
    .addColumn("brought_by", "text")
    .addColumn("state", "text", (column) => column.notNull().check(isOneOf("state", STATES)))
    .addColumn("reason", "text")
    .addColumn("reason_count", integer)
    .addColumn("evidence", "text", (column) => column.notNull())
    .addColumn("batch_id", "text", (column) => column.references("batches.id"))
    .addColumn("accepted_at_ms", integer, (column) => column.notNull())
    .addColumn("updated_at_ms", integer, (column) => column.notNull())
    .addColumn("tries", integer, (column) => column.notNull().defaultTo(0))
    .addColumn("next_try_at_ms", integer, (column) => column.notNull().defaultTo(0))
    .addColumn("picked_by", "text")
    .addColumn("picked_until_ms", integer, (column) => column.notNull().defaultTo(0))
    .addColumn("consumed_at_ms", integer)
    .addUniqueConstraint("payments_identity_digest", ["identity", "digest"])
    .execute();
  // At most one variant of an identity may be on its way or settled.
  await db.schema
    .createIndex("payments_in_flight")
    .unique()
    .on("payments")
    .column("identity")
    .where(isOneOf("state", EXCLUSIVE_STATES))
    .execute();
  await db.schema
    .createIndex("payments_queue")
    .on("payments")
    .columns(["state", "chain_id", "deadline_rank", "id"])
    .where(sql.ref("state"), "=", sql.lit("queued"))
    .execute();
  await db.schema.createIndex("payments_state").on("payments").columns(["state", "chain_id", "id"]).execute();
  await db.schema.createIndex("payments_batch").on("payments").column("batch_id").execute();

  // Payers and block explorers name a payment by its nonce.
  await db.schema.createIndex("payments_nonce").on("payments").expression(nonceOf(dialect)).execute();

  await withId("history")
    .addColumn("payment_id", integer, (column) => column.notNull().references("payments.id"))
    .addColumn("at_ms", integer, (column) => column.notNull())
    .addColumn("from_state", "text")
    .addColumn("to_state", "text", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("reason_count", integer)
    .addColumn("evidence", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("history_payment").on("history").columns(["payment_id", "id"]).execute();
  for (const statement of dialect.appendOnly("history")) await statement.execute(db);
}

/** Leases of sending keys, and strikes of payers. */
async function createSenders(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => createTable(db, dialect, name);

  await table("leases")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("sender", "text", (column) => column.notNull())
    .addColumn("owner", "text")
    .addColumn("epoch", integer, (column) => column.notNull())
    .addColumn("renewals", integer, (column) => column.notNull())
    .addColumn("ttl_ms", integer, (column) => column.notNull())
    .addColumn("host", "text")
    .addColumn("pid", integer)
    .addColumn("taken_at_ms", integer, (column) => column.notNull())
    .addColumn("renewed_at_ms", integer, (column) => column.notNull())
    .addPrimaryKeyConstraint("leases_key", ["chain_id", "sender"])
    .execute();
  await table("strikes")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("strikes", integer, (column) => column.notNull())
    .addColumn("until_ms", integer, (column) => column.notNull())
    .addPrimaryKeyConstraint("strikes_key", ["chain_id", "payer"])
    .execute();
}

/** Small values by name, and the resources of a catalogue. */
async function createNotes(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => createTable(db, dialect, name);

  await table("cursors")
    .addColumn("name", "text", (column) => column.primaryKey().notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .execute();
  await table("resources")
    .addColumn("key", "text", (column) => column.primaryKey().notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .addColumn("updated_at_ms", integer, (column) => column.notNull())
    .execute();
  await db.schema.createIndex("resources_updated").on("resources").columns(["updated_at_ms", "key"]).execute();
}

/** Channels and their receivers. */
async function createChannels(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => createTable(db, dialect, name);

  await db.schema
    .createTable("channels")
    .modifyEnd(dialect.rewrittenTableOptions)
    .addColumn("channel_id", "text", (column) => column.primaryKey().notNull())
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("version", integer, (column) => column.notNull())
    .addColumn("record", "text", (column) => column.notNull())
    .addColumn("claimed", "text", (column) => column.notNull())
    .addColumn("withdrawal", "text")
    .addColumn("fault", "text")
    .addColumn("is_deleted", integer, (column) => column.notNull())
    .addColumn("unclaimed_since_ms", integer)
    .addColumn("earning_day", integer, (column) => column.notNull())
    .addColumn("earning_base", "text", (column) => column.notNull())
    .execute();
  for (const column of ["unclaimed_since_ms", "withdrawal"] as const) {
    await db.schema
      .createIndex(`channels_${column}`)
      .on("channels")
      .columns(["chain_id", "channel_id"])
      .where(sql.ref(column), "is not", null)
      .execute();
  }

  await table("channel_receivers")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("receiver", "text", (column) => column.notNull())
    .addColumn("token", "text", (column) => column.notNull())
    .addColumn("unswept", "text", (column) => column.notNull())
    .addColumn("unswept_since_ms", integer)
    .addPrimaryKeyConstraint("channel_receivers_key", ["chain_id", "receiver", "token"])
    .execute();
}

/**
 * Days that have ended, and events of channels on the chain. A channel's present day is in its row. Days that have
 * ended stay when the row goes.
 */
async function createLedger(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const withId = (name: string) => createTableWithId(db, dialect, name);

  await withId("channel_days")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("channel_id", "text", (column) => column.notNull())
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("receiver", "text", (column) => column.notNull())
    .addColumn("token", "text", (column) => column.notNull())
    .addColumn("day", integer, (column) => column.notNull())
    .addColumn("amount", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("channel_days_channel").on("channel_days").column("channel_id").execute();

  await withId("channel_events")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("kind", "text", (column) => column.notNull())
    .addColumn("channel_id", "text")
    .addColumn("payer", "text")
    .addColumn("receiver", "text", (column) => column.notNull())
    .addColumn("token", "text", (column) => column.notNull())
    .addColumn("amount", "text", (column) => column.notNull())
    .addColumn("transaction_hash", "text", (column) => column.notNull())
    .addColumn("log_index", integer, (column) => column.notNull())
    .addColumn("block_number", integer, (column) => column.notNull())
    .addColumn("block_timestamp", integer, (column) => column.notNull())
    .addUniqueConstraint("channel_events_log", ["chain_id", "transaction_hash", "log_index"])
    .execute();
  await db.schema
    .createIndex("channel_events_block")
    .on("channel_events")
    .columns(["chain_id", "block_number"])
    .execute();
}

/** A keeper's calls. */
async function createKeeperCalls(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => createTable(db, dialect, name);

  await table("keeper_calls")
    .addColumn("key", "text", (column) => column.primaryKey().notNull())
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("call", "text", (column) => column.notNull())
    .addColumn("created_at_ms", integer, (column) => column.notNull())
    .execute();
  await db.schema.createIndex("keeper_calls_chain").on("keeper_calls").columns(["chain_id", "created_at_ms"]).execute();
}

function createTable(db: Kysely<Tables>, dialect: Dialect, name: string) {
  const builder = db.schema.createTable(name);
  return dialect.tableOptions === undefined ? builder : builder.modifyEnd(dialect.tableOptions);
}

/** A table with ids that the database gives out. */
function createTableWithId(db: Kysely<Tables>, dialect: Dialect, name: string) {
  return createTable(db, dialect, name).addColumn("id", dialect.integerType, (column) =>
    dialect.identity === "autoincrement"
      ? column.primaryKey().autoIncrement()
      : column.primaryKey().generatedAlwaysAsIdentity(),
  );
}

function isOneOf(column: string, values: readonly string[]): RawBuilder<boolean> {
  return sql<boolean>`${sql.ref(column)} in (${sql.join(values.map((value) => sql.lit(value)))})`;
}

import { type Kysely, type RawBuilder, sql, type Transaction } from "kysely";
import { JournalError } from "../ports/errors.ts";
import { EXCLUSIVE_STATES, type PaymentState } from "../ports/payments.ts";
import { addChannels } from "./channelSchema.ts";
import type { Dialect } from "./dialect.ts";
import { watchLeases } from "./leaseSchema.ts";
import { addLedger } from "./ledgerSchema.ts";
import type { Tables } from "./tables.ts";

type Migration = (db: Kysely<Tables>, dialect: Dialect) => Promise<void>;

const ALL_STATES: readonly PaymentState[] = [
  "queued",
  "batched",
  "submitted",
  "settled",
  "settled-elsewhere",
  "already-used",
  "rejected",
  "expired",
  "cancelled",
];

/** What each version of the schema adds to the one before: number 1 is the first. Released ones never change. */
const migrations: readonly Migration[] = [
  createJournal,
  addFacilitator,
  addChannels,
  addBringers,
  addNonces,
  watchLeases,
  addLedger,
];

/** The version of the schema that this code reads and writes. */
export const SCHEMA_VERSION = migrations.length;

/** The version of the journal in `db`, 0 where there is none, as far as it may be used. */
export async function checkVersion(db: Kysely<Tables>): Promise<number> {
  const row = await db
    .selectFrom("schema_version")
    .select(({ fn }) => fn.max<number | null>("version").as("version"))
    .executeTakeFirst();
  const version = row?.version ?? 0;
  if (version > SCHEMA_VERSION) {
    throw new JournalError("newer-version", "A newer version of Tributary wrote this journal.", {
      details: `The journal has schema version ${version}, this program knows ${SCHEMA_VERSION}.`,
      hint: "Upgrade Tributary, or use another journal.",
    });
  }
  return version;
}

/** Brings the schema to this code's version, in a transaction that excludes other openers. Does nothing the second time. */
export async function migrate(db: Transaction<Tables>, dialect: Dialect): Promise<void> {
  await db.schema
    .createTable("schema_version")
    .ifNotExists()
    .addColumn("version", dialect.integerType, (column) => column.primaryKey())
    .execute();
  const version = await checkVersion(db);
  for (const [index, apply] of migrations.entries()) {
    if (index < version) continue;
    await apply(db, dialect);
    await db
      .insertInto("schema_version")
      .values({ version: index + 1 })
      .execute();
  }
}

/** What a facilitator keeps beside payments: who holds a success, and its catalogue. */
async function addFacilitator(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  await db.schema.alterTable("payments").addColumn("consumed_by", "text").execute();
  await createTable(db, dialect, "resources")
    .addColumn("key", "text", (column) => column.primaryKey().notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .addColumn("updated_at_ms", dialect.integerType, (column) => column.notNull())
    .execute();
  await db.schema.createIndex("resources_updated").on("resources").columns(["updated_at_ms", "key"]).execute();
}

/**
 * Who brought a payment, from its acceptance on. Until then its holder was noted when its success was told, and was the only
 * one to hear it again: it is the same text.
 */
async function addBringers(db: Kysely<Tables>): Promise<void> {
  await db.schema.alterTable("payments").renameColumn("consumed_by", "brought_by").execute();
}

/** The nonce of an authorization: its identity ends with the 66 characters of it, in lower case. */
export function nonceOf(dialect: Dialect): RawBuilder<string> {
  return dialect.ending("identity", 66);
}

/** Payments by their nonces, which is what a payer or a block explorer names them by. */
async function addNonces(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  await db.schema.createIndex("payments_nonce").on("payments").expression(nonceOf(dialect)).execute();
}

function createTable(db: Kysely<Tables>, dialect: Dialect, name: string) {
  const builder = db.schema.createTable(name);
  return dialect.tableOptions === undefined ? builder : builder.modifyEnd(dialect.tableOptions);
}

async function createJournal(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => createTable(db, dialect, name);
  const withId = (name: string) =>
    table(name).addColumn("id", integer, (column) =>
      dialect.identity === "autoincrement"
        ? column.primaryKey().autoIncrement()
        : column.primaryKey().generatedAlwaysAsIdentity(),
    );

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
  // One batch per txNonce, but for those that lost it to another transaction.
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

  await withId("payments")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("identity", "text", (column) => column.notNull())
    .addColumn("digest", "text", (column) => column.notNull())
    .addColumn("work", "text", (column) => column.notNull())
    .addColumn("deadline", "text", (column) => column.notNull())
    .addColumn("deadline_rank", integer, (column) => column.notNull())
    .addColumn("accepted_block", "text", (column) => column.notNull())
    .addColumn("source", "text")
    .addColumn("state", "text", (column) => column.notNull().check(isOneOf("state", ALL_STATES)))
    .addColumn("reason", "text")
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

  await withId("history")
    .addColumn("payment_id", integer, (column) => column.notNull().references("payments.id"))
    .addColumn("at_ms", integer, (column) => column.notNull())
    .addColumn("from_state", "text")
    .addColumn("to_state", "text", (column) => column.notNull())
    .addColumn("reason", "text")
    .addColumn("evidence", "text", (column) => column.notNull())
    .execute();
  await db.schema.createIndex("history_payment").on("history").columns(["payment_id", "id"]).execute();
  for (const statement of dialect.appendOnly("history")) await statement.execute(db);

  await table("leases")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("sender", "text", (column) => column.notNull())
    .addColumn("owner", "text")
    .addColumn("epoch", integer, (column) => column.notNull())
    .addColumn("expires_at_ms", integer, (column) => column.notNull())
    .addPrimaryKeyConstraint("leases_key", ["chain_id", "sender"])
    .execute();
  await table("strikes")
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("payer", "text", (column) => column.notNull())
    .addColumn("strikes", integer, (column) => column.notNull())
    .addColumn("until_ms", integer, (column) => column.notNull())
    .addPrimaryKeyConstraint("strikes_key", ["chain_id", "payer"])
    .execute();
  await table("cursors")
    .addColumn("name", "text", (column) => column.primaryKey().notNull())
    .addColumn("value", "text", (column) => column.notNull())
    .execute();
}

function isOneOf(column: string, values: readonly string[]): RawBuilder<boolean> {
  return sql<boolean>`${sql.ref(column)} in (${sql.join(values.map((value) => sql.lit(value)))})`;
}

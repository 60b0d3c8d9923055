import type { Kysely } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/**
 * What was earned by day, and what the chain said of claims, sweeps, refunds and withdrawals. A channel's present day is in its row;
 * days that are over stay when the row goes.
 */
export async function addLedger(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  await db.schema.alterTable("channels").addColumn("earning_day", integer).execute();
  await db.schema.alterTable("channels").addColumn("earning_base", "text").execute();

  const withId = (name: string) => {
    const builder = db.schema.createTable(name);
    const table = dialect.tableOptions === undefined ? builder : builder.modifyEnd(dialect.tableOptions);
    return table.addColumn("id", integer, (column) =>
      dialect.identity === "autoincrement"
        ? column.primaryKey().autoIncrement()
        : column.primaryKey().generatedAlwaysAsIdentity(),
    );
  };
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

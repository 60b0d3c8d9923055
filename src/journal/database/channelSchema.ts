import { type Kysely, sql } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/** Version 2 of the schema: payment channels. */
export async function addChannels(db: Kysely<Tables>, dialect: Dialect): Promise<void> {
  const integer = dialect.integerType;
  const table = (name: string) => {
    const builder = db.schema.createTable(name);
    return dialect.tableOptions === undefined ? builder : builder.modifyEnd(dialect.tableOptions);
  };

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

  await table("keeper_calls")
    .addColumn("key", "text", (column) => column.primaryKey().notNull())
    .addColumn("chain_id", integer, (column) => column.notNull())
    .addColumn("state", "text", (column) => column.notNull())
    .addColumn("call", "text", (column) => column.notNull())
    .addColumn("created_at_ms", integer, (column) => column.notNull())
    .execute();
  await db.schema.createIndex("keeper_calls_chain").on("keeper_calls").columns(["chain_id", "created_at_ms"]).execute();
}

import type { Kysely, Transaction } from "kysely";
import { JournalError } from "../ports/errors.ts";
import type { Dialect } from "./dialect.ts";
import { createTables } from "./schema.ts";
import type { Tables } from "./tables.ts";

export type Migration = (db: Kysely<Tables>, dialect: Dialect) => Promise<void>;

/** What each version of the schema adds to the one before, version 1 first. A released version never changes. */
export const MIGRATIONS: readonly Migration[] = [createTables];

/**
 * Whether the journal in `db` has the version that these migrations lead to. False for an earlier one, or none.
 * @throws JournalError if a newer version of Tributary wrote it.
 */
export async function isCurrent(db: Kysely<Tables>, migrations: readonly Migration[]): Promise<boolean> {
  return (await readVersion(db, migrations)) === migrations.length;
}

/**
 * Brings the schema to the version that these migrations lead to, in a transaction that excludes other openers. Does
 * nothing the second time.
 * @throws JournalError if a newer version of Tributary wrote the journal.
 */
export async function migrate(
  db: Transaction<Tables>,
  dialect: Dialect,
  migrations: readonly Migration[],
): Promise<void> {
  await db.schema
    .createTable("schema_version")
    .ifNotExists()
    .addColumn("version", dialect.integerType, (column) => column.primaryKey())
    .execute();
  const version = await readVersion(db, migrations);
  for (const [index, apply] of migrations.entries()) {
    if (index < version) continue;
    await apply(db, dialect);
    await db
      .insertInto("schema_version")
      .values({ version: index + 1 })
      .execute();
  }
}

/** The version of the journal in `db`, 0 if there is none. */
async function readVersion(db: Kysely<Tables>, migrations: readonly Migration[]): Promise<number> {
  const row = await db
    .selectFrom("schema_version")
    .select(({ fn }) => fn.max<number | null>("version").as("version"))
    .executeTakeFirst();
  const version = row?.version ?? 0;
  if (version <= migrations.length) return version;
  throw new JournalError("newer-version", "A newer version of Tributary wrote this journal.", {
    details: `The journal has schema version ${version}, this program knows ${migrations.length}.`,
    hint: "Upgrade Tributary, or use another journal.",
  });
}

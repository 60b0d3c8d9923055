import { MIGRATIONS, type Migration } from "../../../src/journal/database/migrate.ts";

/** The schema of a later version, as a program would bring it: one more column, with a value in every row. */
export const withLaterVersion: readonly Migration[] = [
  ...MIGRATIONS,
  async (db, { integerType }) => {
    await db.schema
      .alterTable("payments")
      .addColumn("priority", integerType, (column) => column.notNull().defaultTo(1))
      .execute();
  },
];

import { MIGRATIONS, type Migration } from "../../../src/journal/database/migrate.ts";

/** The schema of a version behind this one, as a program would bring it: a column more, with a value in every row. */
export const withLaterVersion: readonly Migration[] = [
  ...MIGRATIONS,
  async (db, { integerType }) => {
    await db.schema
      .alterTable("payments")
      .addColumn("priority", integerType, (column) => column.notNull().defaultTo(1))
      .execute();
  },
];

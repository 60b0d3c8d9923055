import { sql } from "kysely";
import type { Backend } from "./database/backend.ts";
import type { CatalogueJournal } from "./ports/catalogue.ts";

/** The resources of a catalogue. */
export function catalogueMethods({ read, write, dialect }: Backend): CatalogueJournal {
  return {
    keepResource: async ({ key, value, updatedAtMs }, most, among = "") => {
      const row = { value, updated_at_ms: updatedAtMs };
      await write(async ({ db }) => {
        await db
          .insertInto("resources")
          .values({ key, ...row })
          .onConflict((conflict) => conflict.column("key").doUpdateSet(row))
          .execute();
        const kept = db
          .selectFrom("resources")
          .select("key")
          .where(startsWith(among))
          .orderBy("updated_at_ms", "desc")
          .orderBy("key")
          .limit(most);
        await db.deleteFrom("resources").where(startsWith(among)).where("key", "not in", kept).execute();
      });
    },

    resources: (keys) =>
      read(async (db) => {
        let query = db.selectFrom("resources").selectAll().orderBy("updated_at_ms", "desc").orderBy("key");
        if (keys !== undefined) query = query.where(dialect.isOneOf("key", keys));
        const rows = await query.execute();
        return rows.map(({ key, value, updated_at_ms: updatedAtMs }) => ({ key, value, updatedAtMs }));
      }),
  };
}

/** The condition that a key begins with a text. */
function startsWith(text: string) {
  return sql<boolean>`substr(key, 1, ${sql.lit(text.length)}) = ${sql.lit(text)}`;
}

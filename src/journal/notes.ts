import { sql } from "kysely";
import type { Backend } from "./database/backend.ts";
import type { NoteJournal } from "./ports/notes.ts";

/** Small values by name. */
export function noteMethods({ read, write, dialect }: Backend): NoteJournal {
  return {
    cursor: (name) =>
      read(async (db) => {
        const row = await db.selectFrom("cursors").select("value").where("name", "=", name).executeTakeFirst();
        return row?.value;
      }),

    setCursor: async (name, value) => {
      await write(({ db }) =>
        db
          .insertInto("cursors")
          .values({ name, value })
          .onConflict((conflict) => conflict.column("name").doUpdateSet({ value }))
          .execute(),
      );
    },

    setOnce: (name, value) =>
      write(async ({ db }) => {
        await db
          .insertInto("cursors")
          .values({ name, value })
          .onConflict((conflict) => conflict.column("name").doNothing())
          .execute();
        const row = await db.selectFrom("cursors").select("value").where("name", "=", name).executeTakeFirstOrThrow();
        return row.value;
      }),

    unset: async (name, value) => {
      await write(({ db }) =>
        db.deleteFrom("cursors").where("name", "=", name).where("value", "=", value).executeTakeFirst(),
      );
    },

    addWithin: (counters) =>
      write(async ({ db }) => {
        if (counters.length === 0) return undefined;
        // The same order for everybody, so that no two wait for each other.
        const names = [...new Set(counters.map(({ name }) => name))].sort();
        const sums = async (): Promise<Map<string, number>> => {
          const rows = db.selectFrom("cursors").selectAll().where(dialect.isOneOf("name", names)).orderBy("name");
          const found = await dialect.lock(rows, "update").execute();
          return new Map(found.map(({ name, value }) => [name, Number(value)]));
        };
        const full = (known: ReadonlyMap<string, number>): number => {
          return counters.findIndex(({ name, amount, most }) => (known.get(name) ?? 0) + amount > most);
        };
        // A refused request leaves no row behind.
        const before = full(await sums());
        if (before >= 0) return before;
        await db
          .insertInto("cursors")
          .values(names.map((name) => ({ name, value: "0" })))
          .onConflict((conflict) => conflict.column("name").doNothing())
          .execute();
        const now = await sums();
        const after = full(now);
        if (after >= 0) return after;
        for (const { name, amount } of counters) {
          const value = String((now.get(name) ?? 0) + amount);
          await db.updateTable("cursors").set({ value }).where("name", "=", name).execute();
        }
        return undefined;
      }),

    forgetNotes: async (prefix, before) => {
      await write(({ db }) =>
        db
          .deleteFrom("cursors")
          .where("name", ">=", prefix)
          .where("name", "<", before)
          .where(sql<boolean>`substr(name, 1, ${sql.lit(prefix.length)}) = ${prefix}`)
          .execute(),
      );
    },
  };
}

import { sql } from "kysely";
import { getAddress } from "viem";
import type { Backend } from "./database/backend.ts";
import type { Journal } from "./ports/types.ts";

type NoteMethods = Pick<
  Journal,
  | "strikes"
  | "strike"
  | "cursor"
  | "setCursor"
  | "setOnce"
  | "unset"
  | "addWithin"
  | "forgetNotes"
  | "keepResource"
  | "resources"
>;

/** Strikes of payers, small values by name, and the resources of a catalogue. */
export function noteMethods({ read, write, dialect }: Backend): NoteMethods {
  return {
    strikes: async (chainId, payers) => {
      if (payers.length === 0) return new Map();
      return read(async (db) => {
        const rows = await db
          .selectFrom("strikes")
          .selectAll()
          .where("chain_id", "=", chainId)
          .where(dialect.isOneOf("payer", [...new Set(payers.map((payer) => getAddress(payer)))]))
          .execute();
        const byPayer = new Map(rows.map(({ payer, strikes, until_ms }) => [payer, { strikes, untilMs: until_ms }]));
        // Under the payer as it was given, whatever its case.
        const found = payers.map((payer) => [payer, byPayer.get(getAddress(payer))] as const);
        return new Map(found.flatMap(([payer, entry]) => (entry === undefined ? [] : [[payer, entry] as const])));
      });
    },

    strike: async (chainId, payer, untilMs, forgetBeforeMs = 0) => {
      await write(({ db }) =>
        db
          .insertInto("strikes")
          .values({ chain_id: chainId, payer: getAddress(payer), strikes: 1, until_ms: untilMs })
          .onConflict((conflict) =>
            conflict.columns(["chain_id", "payer"]).doUpdateSet(({ eb, ref }) => ({
              strikes: eb
                .case()
                .when("strikes.until_ms", "<", forgetBeforeMs)
                .then(1)
                .else(eb("strikes.strikes", "+", 1))
                .end(),
              until_ms: eb
                .case()
                .when("strikes.until_ms", ">", ref("excluded.until_ms"))
                .then(ref("strikes.until_ms"))
                .else(ref("excluded.until_ms"))
                .end(),
            })),
          )
          .execute(),
      );
    },

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
        // In one order for everybody, so that no two wait for each other.
        const names = [...new Set(counters.map(({ name }) => name))].sort();
        const sums = async (): Promise<Map<string, number>> => {
          const rows = db.selectFrom("cursors").selectAll().where(dialect.isOneOf("name", names)).orderBy("name");
          const found = await dialect.lock(rows, "update").execute();
          return new Map(found.map(({ name, value }) => [name, Number(value)]));
        };
        const full = (known: ReadonlyMap<string, number>): number => {
          return counters.findIndex(({ name, amount, most }) => (known.get(name) ?? 0) + amount > most);
        };
        // What is refused leaves no row behind.
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

/** The condition that a key begins so. */
function startsWith(text: string) {
  return sql<boolean>`substr(key, 1, ${sql.lit(text.length)}) = ${sql.lit(text)}`;
}

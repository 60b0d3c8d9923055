import { sql } from "kysely";
import { getAddress } from "viem";
import type { Backend } from "./backend.ts";
import type { Store } from "./types.ts";

type NoteMethods = Pick<
  Store,
  "strikes" | "strike" | "cursor" | "setCursor" | "setOnce" | "unset" | "addTo" | "keepResource" | "resources"
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

    strike: async (chainId, payer, untilMs) => {
      await write(({ db }) =>
        db
          .insertInto("strikes")
          .values({ chain_id: chainId, payer: getAddress(payer), strikes: 1, until_ms: untilMs })
          .onConflict((conflict) =>
            conflict.columns(["chain_id", "payer"]).doUpdateSet(({ eb, ref }) => ({
              strikes: eb("strikes.strikes", "+", 1),
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

    addTo: (name, amount) =>
      write(async ({ db }) => {
        const integer = sql.raw(dialect.integerType);
        const row = await db
          .insertInto("cursors")
          .values({ name, value: String(amount) })
          .onConflict((conflict) =>
            conflict.column("name").doUpdateSet({
              value: sql<string>`cast(cast(cursors.value as ${integer}) + ${sql.lit(amount)} as text)`,
            }),
          )
          .returning("value")
          .executeTakeFirstOrThrow();
        return Number(row.value);
      }),

    keepResource: async ({ key, value, updatedAtMs }, most) => {
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
          .orderBy("updated_at_ms", "desc")
          .orderBy("key")
          .limit(most);
        await db.deleteFrom("resources").where("key", "not in", kept).execute();
      });
    },

    resources: () =>
      read(async (db) => {
        const rows = await db
          .selectFrom("resources")
          .selectAll()
          .orderBy("updated_at_ms", "desc")
          .orderBy("key")
          .execute();
        return rows.map(({ key, value, updated_at_ms: updatedAtMs }) => ({ key, value, updatedAtMs }));
      }),
  };
}

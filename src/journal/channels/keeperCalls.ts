import type { Backend } from "../database/backend.ts";
import type { KeeperCallJournal } from "../ports/keeperCalls.ts";
import { decodeCall, encodeCall } from "./codec.ts";

/** A keeper's calls. */
export function keeperCallMethods({ read, write }: Backend): KeeperCallJournal {
  return {
    keeperCalls: (chainId) =>
      read(async (db) => {
        const query = db.selectFrom("keeper_calls").selectAll().where("chain_id", "=", chainId);
        const rows = await query.orderBy("created_at_ms").orderBy("key").execute();
        return rows.map(({ key, state, call, created_at_ms: createdAtMs }) => {
          return { key, chainId, ...decodeCall(call), createdAtMs, state };
        });
      }),

    storeKeeperCall: async (call) => {
      const { key, chainId: chain_id, state, createdAtMs: created_at_ms, ...terms } = call;
      const values = { key, chain_id, state, call: encodeCall(terms), created_at_ms };
      await write(({ db }) =>
        db
          .insertInto("keeper_calls")
          .values(values)
          .onConflict((conflict) => conflict.column("key").doUpdateSet({ state }))
          .execute(),
      );
    },

    removeKeeperCall: async (key) => {
      await write(({ db }) => db.deleteFrom("keeper_calls").where("key", "=", key).execute());
    },
  };
}

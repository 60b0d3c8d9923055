import { getAddress } from "viem";
import type { Backend } from "../database/backend.ts";
import type { StrikeJournal } from "../ports/strikes.ts";

/** Strikes of payers. */
export function strikeMethods({ read, write, dialect }: Backend): StrikeJournal {
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
        // Keyed by the payer as it was given, whatever its case.
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
  };
}

import { type Kysely, sql } from "kysely";
import type { Hex } from "viem";
import type { Backend } from "../database/backend.ts";
import type { Dialect } from "../database/dialect.ts";
import { nonceOf } from "../database/schema.ts";
import type { Tables } from "../database/tables.ts";
import { paymentRow } from "../payments/rows.ts";
import type { Journal } from "../ports/types.ts";
import { heldLease } from "./leases.ts";

type SurveyMethods = Pick<Journal, "senders" | "withIdentities" | "withNonce" | "withSource" | "countChannels">;

/** Payments by nonce, in the words of the index of it. */
export function selectWithNonce(db: Kysely<Tables>, dialect: Dialect, nonce: Hex) {
  return db.selectFrom("payments").selectAll().where(nonceOf(dialect), "=", nonce.toLowerCase()).orderBy("id");
}

/** What operators and reports ask. */
export function surveyMethods({ read, dialect }: Backend): SurveyMethods {
  return {
    withIdentities: async (identities) => {
      if (identities.length === 0) return [];
      return read(async (db) => {
        const among = dialect.isOneOf("identity", identities);
        const rows = await db.selectFrom("payments").selectAll().where(among).execute();
        return rows.sort((a, b) => a.id - b.id).map(paymentRow);
      });
    },

    withNonce: (nonce) =>
      read(async (db) => {
        const rows = await selectWithNonce(db, dialect, nonce).execute();
        return rows.map(paymentRow).filter(({ work }) => work.kind === "authorization");
      }),

    withSource: (source, limit) =>
      read(async (db) => {
        const part = sql<string>`cast(${`${source}:`} as text)`;
        const rows = await db
          .selectFrom("payments")
          .selectAll()
          .where(({ eb, or }) =>
            or([eb("source", "=", source), sql<boolean>`substr(${eb.ref("source")}, 1, length(${part})) = ${part}`]),
          )
          .orderBy("id", "desc")
          .limit(limit)
          .execute();
        return rows.reverse().map(paymentRow);
      }),

    countChannels: (chainId) =>
      read(async (db) => {
        const query = db.selectFrom("channels").select(({ fn }) => fn.countAll<number>().as("channels"));
        const row = await query.where("chain_id", "=", chainId).where("is_deleted", "=", 0).executeTakeFirst();
        return row?.channels ?? 0;
      }),

    senders: (chainId) =>
      read(async (db) => {
        const query = db
          .selectFrom("leases")
          .selectAll("leases")
          .select((one) => [
            dialect.nowMs.as("now_ms"),
            one
              .selectFrom("batches")
              .select(({ fn }) => fn.countAll<number>().as("open"))
              .whereRef("batches.chain_id", "=", "leases.chain_id")
              .whereRef("batches.sender", "=", "leases.sender")
              .where("batches.state", "=", sql.lit("open" as const))
              .as("open"),
            one
              .selectFrom("batches")
              .select(({ fn }) => fn.max<number | null>("batches.tx_nonce").as("last"))
              .whereRef("batches.chain_id", "=", "leases.chain_id")
              .whereRef("batches.sender", "=", "leases.sender")
              .as("last"),
          ])
          .orderBy("leases.chain_id")
          .orderBy("leases.sender");
        const rows = await (chainId === undefined ? query : query.where("leases.chain_id", "=", chainId)).execute();
        return rows.map((row) => ({
          chainId: row.chain_id,
          sender: row.sender,
          epoch: row.epoch,
          lease: heldLease(row),
          openBatches: row.open ?? 0,
          lastTxNonce: row.last ?? undefined,
        }));
      }),
  };
}

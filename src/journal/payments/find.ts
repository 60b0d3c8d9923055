import { type Kysely, sql } from "kysely";
import type { Hex } from "viem";
import { type Backend, withParameters } from "../database/backend.ts";
import type { Dialect } from "../database/dialect.ts";
import { nonceOf } from "../database/schema.ts";
import type { Tables } from "../database/tables.ts";
import { EXCLUSIVE_STATES, isAuthorization, type PaymentJournal, type PaymentState } from "../ports/payments.ts";
import { historyRow, paymentRow, type StoredPayment } from "./rows.ts";

type FindMethods = Pick<
  PaymentJournal,
  | "payment"
  | "variants"
  | "history"
  | "enteredAt"
  | "list"
  | "count"
  | "withIds"
  | "changed"
  | "winners"
  | "withIdentities"
  | "withNonce"
  | "withSource"
>;

const EXCLUSIVE = EXCLUSIVE_STATES.map((state) => sql.lit(state));

/** Payments by nonce, in the same expression as its index. */
export function selectWithNonce(db: Kysely<Tables>, dialect: Dialect, nonce: Hex) {
  return db.selectFrom("payments").selectAll().where(nonceOf(dialect), "=", nonce.toLowerCase()).orderBy("id");
}

/** Reading payments. */
export function findMethods({ read, readOne, compile, dialect }: Backend): FindMethods {
  // The statements that a server runs with every request, each with one parameter.
  const withId = compile<StoredPayment>((db) => db.selectFrom("payments").selectAll().where("id", "=", 0));
  const withIdentity = compile<StoredPayment>((db) =>
    db.selectFrom("payments").selectAll().where("identity", "=", "").orderBy("id"),
  );

  return {
    payment: async (id) => {
      const [row] = await readOne(withParameters(withId, id));
      return row === undefined ? undefined : paymentRow(row);
    },

    variants: async (identity) => (await readOne(withParameters(withIdentity, identity))).map(paymentRow),

    history: (paymentId) =>
      read(async (db) => {
        const query = db.selectFrom("history").selectAll().where("payment_id", "=", paymentId).orderBy("id");
        return (await query.execute()).map(historyRow);
      }),

    list: ({ chainId, states, afterId, limit }) =>
      read(async (db) => {
        if (states?.length === 0) return [];
        // The ids come first, from an index alone, so that little is sorted for a page of many.
        let ids = db.selectFrom("payments").select("id").orderBy("id").limit(limit);
        if (chainId !== undefined) ids = ids.where("chain_id", "=", chainId);
        if (states !== undefined) ids = ids.where("state", "in", states);
        if (afterId !== undefined) ids = ids.where("id", ">", afterId);
        const query = db.selectFrom("payments").selectAll().where("id", "in", ids).orderBy("id");
        return (await query.execute()).map(paymentRow);
      }),

    count: (chainId) =>
      read(async (db) => {
        let query = db
          .selectFrom("payments")
          .select(({ fn }) => ["state", fn.countAll<number>().as("payments")])
          .groupBy("state");
        if (chainId !== undefined) query = query.where("chain_id", "=", chainId);
        const counts: Partial<Record<PaymentState, number>> = {};
        for (const { state, payments } of await query.execute()) counts[state] = payments;
        return counts;
      }),

    enteredAt: async (paymentIds) => {
      if (paymentIds.length === 0) return new Map();
      return read(async (db) => {
        const rows = await db
          .selectFrom("history")
          .innerJoin("payments", "payments.id", "history.payment_id")
          .select(({ fn }) => ["payments.id", fn.max<number>("history.at_ms").as("at_ms")])
          .where(dialect.isOneOf("payments.id", paymentIds))
          .whereRef("history.to_state", "=", "payments.state")
          // A step may repeat the state, with better evidence.
          .where(({ eb, or }) =>
            or([eb("history.from_state", "is", null), eb("history.from_state", "<>", eb.ref("history.to_state"))]),
          )
          .groupBy("payments.id")
          .execute();
        return new Map(rows.map(({ id, at_ms }) => [id, at_ms]));
      });
    },

    withIds: async (ids) => {
      if (ids.length === 0) return [];
      return read(async (db) => {
        const query = db.selectFrom("payments").selectAll().where(dialect.isOneOf("id", ids)).orderBy("id");
        return (await query.execute()).map(paymentRow);
      });
    },

    changed: async (ids, sinceMs) => {
      if (ids.length === 0) return [];
      return read(async (db) => {
        const query = db
          .selectFrom("payments")
          .selectAll()
          .where(dialect.isOneOf("id", ids))
          .where("updated_at_ms", ">", sinceMs)
          .orderBy("id");
        return (await query.execute()).map(paymentRow);
      });
    },

    winners: ({ chainId, limit }) =>
      read(async (db) => {
        const query = db
          .selectFrom("payments as queued")
          .innerJoin("payments as winner", "winner.identity", "queued.identity")
          .selectAll("winner")
          .distinct()
          .where("queued.state", "=", sql.lit("queued" as const))
          .where("queued.chain_id", "=", chainId)
          .where("winner.state", "=", sql.lit("settled" as const))
          // Redundant, but it is the condition of the index of payments in flight, which then finds the winner of each
          // queued one.
          .where("winner.state", "in", EXCLUSIVE)
          .orderBy("winner.id")
          .limit(limit);
        return (await query.execute()).map(paymentRow);
      }),

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
        return rows.map(paymentRow).filter(isAuthorization);
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
  };
}

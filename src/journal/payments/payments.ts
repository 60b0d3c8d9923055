import { sql } from "kysely";
import type { Backend } from "../database/backend.ts";
import { CLAIMING_STATES, type Journal, type PaymentState } from "../ports/types.ts";
import { historyRow, paymentRow } from "./rows.ts";

type PaymentMethods = Pick<
  Journal,
  | "payment"
  | "variants"
  | "history"
  | "list"
  | "count"
  | "changed"
  | "claim"
  | "keepClaims"
  | "winners"
  | "release"
  | "consume"
>;

/** The states whose payment has moved the money, once. */
const PAID_STATES: readonly PaymentState[] = ["settled", "settled-elsewhere"];

const CLAIMING = CLAIMING_STATES.map((state) => sql.lit(state));

/** Reading, claiming and consuming payments. */
export function paymentMethods({ read, write, dialect }: Backend): PaymentMethods {
  return {
    payment: (id) =>
      read(async (db) => {
        const row = await db.selectFrom("payments").selectAll().where("id", "=", id).executeTakeFirst();
        return row === undefined ? undefined : paymentRow(row);
      }),

    variants: (identity) =>
      read(async (db) => {
        const query = db.selectFrom("payments").selectAll().where("identity", "=", identity).orderBy("id");
        return (await query.execute()).map(paymentRow);
      }),

    history: (paymentId) =>
      read(async (db) => {
        const query = db.selectFrom("history").selectAll().where("payment_id", "=", paymentId).orderBy("id");
        return (await query.execute()).map(historyRow);
      }),

    list: ({ chainId, states, afterId, limit }) =>
      read(async (db) => {
        if (states?.length === 0) return [];
        // The ids first, from an index alone: what is sorted for a page of many stays small.
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

    claim: ({ chainId, owner, nowMs, untilMs, limit }) =>
      write(async ({ db }) => {
        const claimed = await db
          .with("picked", (within) =>
            dialect.lock(
              within
                .selectFrom("payments as queued")
                .select("queued.id")
                .where("queued.chain_id", "=", chainId)
                .where("queued.state", "=", sql.lit("queued" as const))
                .where("queued.next_try_at_ms", "<=", nowMs)
                .where(({ eb, or }) =>
                  or([eb("queued.claimed_until_ms", "<=", nowMs), eb("queued.claimed_by", "=", owner)]),
                )
                .where(({ not, exists, selectFrom }) =>
                  not(
                    exists(
                      selectFrom("payments as variant")
                        .select("variant.id")
                        .whereRef("variant.identity", "=", "queued.identity")
                        .where("variant.state", "in", CLAIMING),
                    ),
                  ),
                )
                .orderBy("queued.deadline_rank")
                .orderBy("queued.id")
                .limit(limit),
              "skip-locked",
            ),
          )
          .updateTable("payments")
          .from("picked")
          .set({ claimed_by: owner, claimed_until_ms: untilMs })
          .whereRef("payments.id", "=", "picked.id")
          .returningAll()
          .execute();
        return claimed.sort((a, b) => a.deadline_rank - b.deadline_rank || a.id - b.id).map(paymentRow);
      }),

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
          // Says nothing new, but in the words of the index of what is in flight, which then answers for each queued one.
          .where("winner.state", "in", CLAIMING)
          .orderBy("winner.id")
          .limit(limit);
        return (await query.execute()).map(paymentRow);
      }),

    keepClaims: async (paymentIds, owner, untilMs) => {
      if (paymentIds.length === 0) return;
      await write(({ db }) =>
        db
          .updateTable("payments")
          .set({ claimed_until_ms: untilMs })
          .where(dialect.isOneOf("id", paymentIds))
          .where("claimed_by", "=", owner)
          .execute(),
      );
    },

    release: async (paymentIds, owner) => {
      if (paymentIds.length === 0) return;
      await write(({ db }) =>
        db
          .updateTable("payments")
          .set({ claimed_by: null, claimed_until_ms: 0 })
          .where(dialect.isOneOf("id", paymentIds))
          .where("claimed_by", "=", owner)
          .execute(),
      );
    },

    consume: (paymentId, nowMs, { bringer, again } = { bringer: undefined, again: false }) =>
      write(async ({ db }) => {
        const taken = await db
          .updateTable("payments")
          .set({ consumed_at_ms: nowMs })
          .where("id", "=", paymentId)
          .where("brought_by", bringer === undefined ? "is" : "=", bringer ?? null)
          .where("consumed_at_ms", "is", null)
          .where("state", "in", PAID_STATES)
          .returning("id")
          .execute();
        if (taken.length === 1 || !again || bringer === undefined) return taken.length === 1;
        const told = await db
          .selectFrom("payments")
          .select("id")
          .where("id", "=", paymentId)
          .where("brought_by", "=", bringer)
          .where("state", "in", PAID_STATES)
          .execute();
        return told.length === 1;
      }),
  };
}

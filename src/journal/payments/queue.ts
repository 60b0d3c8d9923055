import { sql } from "kysely";
import type { Backend } from "../database/backend.ts";
import { EXCLUSIVE_STATES, type PaymentJournal } from "../ports/payments.ts";
import { paymentRow } from "./rows.ts";

type QueueMethods = Pick<PaymentJournal, "pick" | "keepPicked" | "putBack">;

const EXCLUSIVE = EXCLUSIVE_STATES.map((state) => sql.lit(state));

/** Picking queued payments. */
export function queueMethods({ write, dialect }: Backend): QueueMethods {
  return {
    pick: ({ chainId, owner, nowMs, untilMs, limit }) =>
      write(async ({ db }) => {
        const picked = await db
          .with("picked", (within) =>
            dialect.lock(
              within
                .selectFrom("payments as queued")
                .select("queued.id")
                .where("queued.chain_id", "=", chainId)
                .where("queued.state", "=", sql.lit("queued" as const))
                .where("queued.next_try_at_ms", "<=", nowMs)
                .where(({ eb, or }) =>
                  or([eb("queued.picked_until_ms", "<=", nowMs), eb("queued.picked_by", "=", owner)]),
                )
                .where(({ not, exists, selectFrom }) =>
                  not(
                    exists(
                      selectFrom("payments as variant")
                        .select("variant.id")
                        .whereRef("variant.identity", "=", "queued.identity")
                        .where("variant.state", "in", EXCLUSIVE),
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
          .set({ picked_by: owner, picked_until_ms: untilMs })
          .whereRef("payments.id", "=", "picked.id")
          .returningAll()
          .execute();
        return picked.sort((a, b) => a.deadline_rank - b.deadline_rank || a.id - b.id).map(paymentRow);
      }),

    keepPicked: async (paymentIds, owner, untilMs) => {
      if (paymentIds.length === 0) return;
      await write(({ db }) =>
        db
          .updateTable("payments")
          .set({ picked_until_ms: untilMs })
          .where(dialect.isOneOf("id", paymentIds))
          .where("picked_by", "=", owner)
          .execute(),
      );
    },

    putBack: async (paymentIds, owner) => {
      if (paymentIds.length === 0) return;
      await write(({ db }) =>
        db
          .updateTable("payments")
          .set({ picked_by: null, picked_until_ms: 0 })
          .where(dialect.isOneOf("id", paymentIds))
          .where("picked_by", "=", owner)
          .execute(),
      );
    },
  };
}

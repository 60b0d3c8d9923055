import { type Kysely, sql } from "kysely";
import { type Backend, withParameters } from "../database/backend.ts";
import { encodeEvidence } from "../database/codec.ts";
import type { Tables } from "../database/tables.ts";
import { EXCLUSIVE_STATES, type PaymentJournal } from "../ports/payments.ts";
import { paymentRow } from "./rows.ts";

type QueueMethods = Pick<PaymentJournal, "pick" | "keepPicked" | "putBack" | "consume">;

/** The states of a payment that has moved the money, once. */
const PAID = (["settled", "settled-elsewhere"] as const).map((state) => sql.lit(state));

/** The states of a payment that is on its way. */
const MOVING = (["batched", "submitted"] as const).map((state) => sql.lit(state));

const EXCLUSIVE = EXCLUSIVE_STATES.map((state) => sql.lit(state));

/** Picking queued payments, and consuming paid ones. */
export function queueMethods({ write, compile, dialect }: Backend): QueueMethods {
  // Run for each payment, so they are compiled once.
  const takeUnnamed = compile((db) => take(db, 0, 0, undefined));
  const takeNamed = compile((db) => take(db, 0, 0, ""));

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

    consume: (paymentId, nowMs, { bringer, again, on } = { bringer: undefined, again: false }) => {
      // A transition after the caller has read the evidence would have changed this text.
      const evidence = on === undefined ? undefined : encodeEvidence(on);
      return write(async ({ db }) => {
        const took =
          evidence !== undefined
            ? takePreconfirmed(db, { nowMs, paymentId, bringer, evidence }).compile()
            : bringer === undefined
              ? withParameters(takeUnnamed, nowMs, paymentId)
              : withParameters(takeNamed, nowMs, paymentId, bringer);
        const taken = (await db.executeQuery(took)).rows;
        if (taken.length === 1 || !again || bringer === undefined) return taken.length === 1;
        const told = await db
          .selectFrom("payments")
          .select("id")
          .where("id", "=", paymentId)
          .where("brought_by", "=", bringer)
          .where((eb) =>
            evidence === undefined ? eb("state", "in", PAID) : eb("state", "in", MOVING).and("evidence", "=", evidence),
          )
          .execute();
        return told.length === 1;
      });
    },
  };
}

/** Takes the success of a payment that its bringer was not told yet. */
function take(db: Kysely<Tables>, nowMs: number, paymentId: number, bringer: string | undefined) {
  return untold(db, nowMs, paymentId, bringer).where("state", "in", PAID).returning("id");
}

/** The same while the payment is on its way, and this is the evidence for it. */
function takePreconfirmed(
  db: Kysely<Tables>,
  of: {
    readonly nowMs: number;
    readonly paymentId: number;
    readonly bringer: string | undefined;
    readonly evidence: string;
  },
) {
  return untold(db, of.nowMs, of.paymentId, of.bringer)
    .where("state", "in", MOVING)
    .where("evidence", "=", of.evidence)
    .returning("id");
}

function untold(db: Kysely<Tables>, nowMs: number, paymentId: number, bringer: string | undefined) {
  return db
    .updateTable("payments")
    .set({ consumed_at_ms: nowMs })
    .where("id", "=", paymentId)
    .where("brought_by", bringer === undefined ? "is" : "=", bringer ?? null)
    .where("consumed_at_ms", "is", null);
}

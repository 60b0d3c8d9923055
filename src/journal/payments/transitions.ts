import type { Write } from "../database/backend.ts";
import { encodeEvidence } from "../database/codec.ts";
import { textColumn } from "../database/dialect.ts";
import { EXCLUSIVE_STATES, type PaymentRow, type PaymentState, type Transition } from "../ports/payments.ts";
import { addSteps } from "./history.ts";
import { type NewStep, paymentRow, type StoredPayment } from "./rows.ts";

const exclusive: ReadonlySet<PaymentState> = new Set(EXCLUSIVE_STATES);

/**
 * A transition with its evidence and reason as they are stored. It is prepared before the transaction, which may run
 * twice.
 */
export type PreparedTransition = Omit<Transition, "evidence" | "reason" | "reasonCount"> & {
  readonly evidence: string;
  readonly reason: string | null;
  readonly reasonCount: number | null;
};

export function prepareTransition({ evidence, reason, reasonCount, ...rest }: Transition): PreparedTransition {
  return {
    ...rest,
    evidence: encodeEvidence(evidence),
    reason: textColumn(reason),
    reasonCount: reasonCount ?? null,
  };
}

/**
 * Applies transitions in order. Each needs its payment to be in one of its `from` states (and in its batch), and none
 * puts a payment in flight beside another variant. Returns the new rows of the payments that moved.
 */
export async function applyTransitions(
  write: Write,
  transitions: readonly PreparedTransition[],
  nowMs: number,
): Promise<readonly PaymentRow[]> {
  if (transitions.length === 0) return [];
  const { db, dialect, touch } = write;
  const ids = [...new Set(transitions.map(({ paymentId }) => paymentId))];
  const query = db.selectFrom("payments").selectAll().where(dialect.isOneOf("id", ids)).orderBy("id");
  const before = new Map((await dialect.lock(query, "update").execute()).map((row) => [row.id, row]));
  const inFlight = await findInFlight(write, transitions, before);

  const after = new Map<number, StoredPayment>();
  const steps: NewStep[] = [];
  for (const transition of transitions) {
    const { paymentId, from, batchId, to, reason, reasonCount, evidence } = transition;
    const row = after.get(paymentId) ?? before.get(paymentId);
    if (row === undefined || !from.includes(row.state)) continue;
    if (batchId !== undefined && row.batch_id !== batchId) continue;
    const holder = inFlight.get(row.identity);
    if (exclusive.has(to)) {
      if (holder !== undefined && holder !== paymentId) continue;
      inFlight.set(row.identity, paymentId);
    } else if (holder === paymentId) {
      inFlight.delete(row.identity);
    }
    after.set(paymentId, moved(row, transition, nowMs));
    steps.push({
      payment_id: paymentId,
      at_ms: nowMs,
      from_state: row.state,
      to_state: to,
      reason,
      reason_count: reasonCount,
      evidence,
    });
  }

  // Payments that leave the flight are written first: the index that allows one variant in flight is checked row by
  // row.
  const rows = [...after.values()];
  await update(
    write,
    rows.filter(({ state }) => !exclusive.has(state)),
  );
  await update(
    write,
    rows.filter(({ state }) => exclusive.has(state)),
  );
  await addSteps(write, steps);
  touch(rows.map(({ id }) => id));
  return rows.map(paymentRow);
}

function moved(row: StoredPayment, transition: PreparedTransition, nowMs: number): StoredPayment {
  const queued = transition.to === "queued";
  return {
    ...row,
    state: transition.to,
    reason: transition.reason,
    reason_count: transition.reasonCount,
    evidence: transition.evidence,
    batch_id: queued ? null : row.batch_id,
    brought_by: transition.bringer === undefined ? row.brought_by : transition.bringer,
    next_try_at_ms: queued ? (transition.nextTryAtMs ?? 0) : row.next_try_at_ms,
    updated_at_ms: laterThan(row.updated_at_ms, nowMs),
  };
}

/** Every transition of a payment gets a larger time than the one before, so that nobody who polls by it misses one. */
function laterThan(beforeMs: number, nowMs: number): number {
  return Math.max(nowMs, beforeMs + 1);
}

/** The variants in flight, for those identities that a transition would put in flight. */
async function findInFlight(
  { db, dialect }: Write,
  transitions: readonly PreparedTransition[],
  before: ReadonlyMap<number, StoredPayment>,
): Promise<Map<string, number>> {
  const identities = new Set<string>();
  for (const { paymentId, to } of transitions) {
    const row = before.get(paymentId);
    if (row !== undefined && exclusive.has(to) && !exclusive.has(row.state)) identities.add(row.identity);
  }
  if (identities.size === 0) return new Map();
  const rows = await db
    .selectFrom("payments")
    .select(["identity", "id", "state"])
    .where(dialect.isOneOf("identity", [...identities]))
    .execute();
  return new Map(rows.filter(({ state }) => exclusive.has(state)).map(({ identity, id }) => [identity, id]));
}

const columns = {
  id: "integer",
  state: "text",
  reason: "text",
  reason_count: "integer",
  evidence: "text",
  batch_id: "text",
  brought_by: "text",
  next_try_at_ms: "integer",
  updated_at_ms: "integer",
} as const;

/** Writes what transitions change, and ends the picks. */
async function update({ db, dialect }: Write, rows: readonly StoredPayment[]): Promise<void> {
  if (rows.length === 0) return;
  const records = rows.map(
    ({ id, state, reason, reason_count, evidence, batch_id, brought_by, next_try_at_ms, updated_at_ms }) => ({
      id,
      state,
      reason,
      reason_count,
      evidence,
      batch_id,
      brought_by,
      next_try_at_ms,
      updated_at_ms,
    }),
  );
  await db
    .updateTable("payments")
    .from(dialect.records(records, columns))
    .set(({ ref }) => ({
      state: ref("input.state"),
      reason: ref("input.reason"),
      reason_count: ref("input.reason_count"),
      evidence: ref("input.evidence"),
      batch_id: ref("input.batch_id"),
      brought_by: ref("input.brought_by"),
      next_try_at_ms: ref("input.next_try_at_ms"),
      updated_at_ms: ref("input.updated_at_ms"),
      picked_by: null,
      picked_until_ms: 0,
    }))
    .whereRef("payments.id", "=", "input.id")
    .execute();
}

/** Moves payments between two states at once, with one evidence. All of them must be known to be in `from`. */
export async function moveAll(
  { db, dialect, touch }: Write,
  move: {
    readonly ids: readonly number[];
    readonly from: PaymentState;
    readonly to: "batched" | "submitted";
    readonly batchId: StoredPayment["batch_id"];
    readonly evidence: string;
    readonly countsAsTry: boolean;
  },
  nowMs: number,
): Promise<void> {
  const { ids, from, to, batchId, evidence, countsAsTry } = move;
  if (ids.length === 0) return;
  await db
    .updateTable("payments")
    .set(({ eb }) => ({
      state: to,
      reason: null,
      reason_count: null,
      evidence,
      batch_id: batchId,
      picked_by: null,
      picked_until_ms: 0,
      tries: eb("tries", "+", countsAsTry ? 1 : 0),
      updated_at_ms: eb
        .case()
        .when("updated_at_ms", "<", nowMs)
        .then(nowMs)
        .else(eb("updated_at_ms", "+", 1))
        .end(),
    }))
    .where(dialect.isOneOf("id", ids))
    .execute();
  await db
    .insertInto("history")
    .columns(["payment_id", "at_ms", "from_state", "to_state", "reason", "evidence"])
    .expression(({ selectFrom, val, cast }) =>
      selectFrom("payments")
        .select([
          "id",
          cast<number>(val(nowMs), dialect.integerType).as("at_ms"),
          cast<PaymentState>(val(from), "text").as("from_state"),
          cast<PaymentState>(val(to), "text").as("to_state"),
          cast<string | null>(val(null), "text").as("reason"),
          cast<string>(val(evidence), "text").as("evidence"),
        ])
        .where(dialect.isOneOf("id", ids))
        .orderBy("id"),
    )
    .execute();
  touch(ids);
}

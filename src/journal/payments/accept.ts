import type { Write } from "../database/backend.ts";
import type { PaymentRow } from "../ports/payments.ts";
import { addSteps } from "./history.ts";
import { type AcceptedPayment, paymentRow } from "./rows.ts";

/** Rows per statement: a bound on what the event loop serialises at once. */
const CHUNK = 500;

const columns = {
  chain_id: "integer",
  identity: "text",
  digest: "text",
  work: "text",
  deadline: "text",
  deadline_rank: "integer",
  accepted_block: "text",
  source: "text",
  brought_by: "text",
  state: "text",
  evidence: "text",
  accepted_at_ms: "integer",
  updated_at_ms: "integer",
} as const;
const names = Object.keys(columns) as (keyof typeof columns)[];

export type Accepted = { readonly row: PaymentRow; readonly isNew: boolean };

/** Inserts payments that are not there yet, and returns the row of each. */
export async function acceptAll(write: Write, payments: readonly AcceptedPayment[]): Promise<Accepted[]> {
  const accepted: Accepted[] = [];
  for (let start = 0; start < payments.length; start += CHUNK) {
    accepted.push(...(await acceptChunk(write, payments.slice(start, start + CHUNK))));
  }
  return accepted;
}

async function acceptChunk(write: Write, payments: readonly AcceptedPayment[]): Promise<Accepted[]> {
  const { db, dialect, touch } = write;
  const inserted = await db
    .insertInto("payments")
    .columns(names)
    .expression(({ selectFrom, lit }) =>
      // Without the condition, SQLite reads what follows as part of a join.
      selectFrom(dialect.records(payments, columns))
        .select(names)
        .where(({ eb }) => eb(lit(1), "=", 1))
        .orderBy("position"),
    )
    .onConflict((conflict) => conflict.columns(["identity", "digest"]).doNothing())
    .returning("id")
    .execute();
  const keys = payments.map(({ identity, digest }) => ({ identity, digest }));
  const stored = await db
    .selectFrom(dialect.records(keys, { identity: "text", digest: "text" }))
    .innerJoin("payments", (join) =>
      join.onRef("payments.identity", "=", "input.identity").onRef("payments.digest", "=", "input.digest"),
    )
    .selectAll("payments")
    .execute();

  const fresh = new Set(inserted.map(({ id }) => id));
  const rows = new Map(stored.map((row) => [keyOf(row), row]));
  await addSteps(
    write,
    [...rows.values()]
      .filter(({ id }) => fresh.has(id))
      .map((row) => ({
        payment_id: row.id,
        at_ms: row.accepted_at_ms,
        from_state: null,
        to_state: row.state,
        reason: null,
        reason_count: null,
        evidence: row.evidence,
      })),
  );
  touch([...fresh]);
  return payments.map((payment) => {
    const row = rows.get(keyOf(payment));
    if (row === undefined) throw new Error("an accepted payment is not there");
    // If a request has two equal ones, only the first is new.
    return { row: paymentRow(row), isNew: fresh.delete(row.id) };
  });
}

function keyOf({ identity, digest }: { readonly identity: string; readonly digest: string }): string {
  return `${digest} ${identity}`;
}

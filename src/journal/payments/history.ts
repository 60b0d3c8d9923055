import type { Write } from "../database/backend.ts";
import type { NewStep } from "./rows.ts";

const columns = {
  payment_id: "integer",
  at_ms: "integer",
  from_state: "text",
  to_state: "text",
  reason: "text",
  reason_count: "integer",
  evidence: "text",
} as const;
const names = Object.keys(columns) as (keyof typeof columns)[];

/** Appends steps to the histories of payments, in order. */
export async function addSteps({ db, dialect }: Write, steps: readonly NewStep[]): Promise<void> {
  if (steps.length === 0) return;
  await db
    .insertInto("history")
    .columns(names)
    .expression(({ selectFrom }) => selectFrom(dialect.records(steps, columns)).select(names).orderBy("position"))
    .execute();
}

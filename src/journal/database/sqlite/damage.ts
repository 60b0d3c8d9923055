import { stat } from "node:fs/promises";
import { type Kysely, sql } from "kysely";
import { JournalError } from "../../ports/errors.ts";
import type { Tables } from "../tables.ts";

/** A file of up to this size is checked as a whole. */
const WHOLE_BYTES = 1_073_741_824;
/** The tables that make a journal large. */
const LARGE: ReadonlySet<string> = new Set(["payments", "history", "attempts", "batches", "channels"]);

/**
 * Checks that the pages of a journal's file hold together, without a lock that would keep writers out.
 * @throws JournalError of the kind `corrupt`, with the first damage that was found.
 */
export async function findDamage(db: Kysely<Tables>, path: string, tables: readonly string[]): Promise<void> {
  const { size } = await stat(path);
  const checks =
    size <= WHOLE_BYTES
      ? [sql`pragma quick_check(1)`]
      : tables.filter((name) => !LARGE.has(name)).map((name) => sql`pragma quick_check(${sql.lit(name)})`);
  for (const check of checks) {
    const { rows } = await sql<{ quick_check: string }>`${check}`.execute(db);
    const [first] = rows;
    if (first === undefined || first.quick_check === "ok") continue;
    throw new JournalError("corrupt", "The journal's file is damaged.", {
      details: `${path}: ${first.quick_check.split("\n").slice(0, 2).join(" ")}`,
      hint: "Restore it from a backup, or give another path; what settled is found on the chain by its nonces.",
    });
  }
}

import { sql } from "kysely";
import { isOutage, type JournalError } from "../ports/errors.ts";
import type { HealthJournal } from "../ports/health.ts";
import type { Backend } from "./backend.ts";

/** The name of a probe's row, which nothing else has. */
const PROBE = "probe";
/** The room that a probe needs: about as much as some tens of payments take. */
const ROOM_BYTES = 65_536;

/**
 * Notes how everybody's writes end, and reads that cannot reach the database. A success says that the journal works,
 * with two exceptions that a small write may not notice: a full disk, which a probe has to disprove, and a damaged
 * file, which nothing here can disprove.
 */
export function watchWrites(backend: Backend): { readonly backend: Backend; readonly methods: HealthJournal } {
  let fault: JournalError | undefined;

  async function noted<T>(work: () => Promise<T>): Promise<T> {
    try {
      const result = await work();
      if (fault?.kind !== "full" && fault?.kind !== "corrupt") fault = undefined;
      return result;
    } catch (error) {
      if (isOutage(error) && fault?.kind !== "corrupt") fault = error;
      throw error;
    }
  }

  /** If a read cannot reach the database, neither can writes. Any other failure of a read is its own. */
  async function notedAway<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      if (isOutage(error) && error.kind === "unavailable") fault ??= error;
      throw error;
    }
  }

  const watched: Backend = {
    ...backend,
    read: (query) => notedAway(() => backend.read(query)),
    readOne: (statement) => notedAway(() => backend.readOne(statement)),
    write: (operation, rows) => noted(() => backend.write(operation, rows)),
    writeOne: (statement) => noted(() => backend.writeOne(statement)),
  };

  function writeProbe(value: string): Promise<void> {
    return watched.write(async ({ db }) => {
      const conflict = { value: sql<string>`excluded.value` };
      await db
        .insertInto("cursors")
        .values({ name: PROBE, value })
        .onConflict((on) => on.column("name").doUpdateSet(conflict))
        .execute();
    });
  }

  return {
    backend: watched,
    methods: {
      fault: () => fault,
      probe: async () => {
        await writeProbe("x".repeat(ROOM_BYTES));
        if (fault?.kind === "full") fault = undefined;
        await writeProbe("");
        if (fault !== undefined) throw fault;
      },
    },
  };
}

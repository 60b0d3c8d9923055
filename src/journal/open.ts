import { fileURLToPath } from "node:url";
import { openPostgres } from "./database/postgres/backend.ts";
import { openSqlite } from "./database/sqlite/backend.ts";
import { createJournal } from "./journal.ts";
import { JournalError } from "./ports/errors.ts";
import type { Journal } from "./ports/journal.ts";

/** Where the journal is by default. */
export const DEFAULT_JOURNAL_PATH = ".tributary/journal.db";

/** How the journal's database is opened. An option of the other kind of database is ignored. */
export type JournalOptions = {
  /** PostgreSQL: the most connections, 10 by default. */
  readonly poolSize?: number;
  /** PostgreSQL: the schema that holds the tables, `tributary` by default. */
  readonly schema?: string;
  /** SQLite: how long to wait for another process that writes, in milliseconds. 10,000 by default. */
  readonly busyTimeoutMs?: number;
  /** SQLite: the most pages of 4096 bytes that the file may have. No bound by default. */
  readonly maxPageCount?: number;
  /**
   * SQLite: whether the file is checked for damage before it is used (true by default). It takes at most about two
   * seconds, for a gigabyte. In a larger file only the small tables are checked: all except payments, their history,
   * transactions and channels.
   */
  readonly check?: boolean;
};

/**
 * Opens the journal, and creates or upgrades it if needed. `postgres://…` is a PostgreSQL database. A path,
 * `sqlite:path` or `file:` URL is a SQLite file. `:memory:` is a journal that ends with the process, and undefined the
 * default file.
 * @throws JournalError if it cannot be opened, is damaged, or is another program's or a newer version's.
 */
export async function openJournal(url: string | undefined, options: JournalOptions = {}): Promise<Journal> {
  const where = url ?? DEFAULT_JOURNAL_PATH;
  if (/^postgres(ql)?:\/\//i.test(where)) {
    const { poolSize = 10, schema = "tributary" } = options;
    return createJournal(await openPostgres(where, { poolSize, schema }));
  }
  const { busyTimeoutMs = 10_000, maxPageCount, check = true } = options;
  return createJournal(await openSqlite(pathOf(where), { busyTimeoutMs, maxPageCount, check }));
}

function pathOf(where: string): string {
  if (/^file:\/\//i.test(where)) return fileURLToPath(where);
  const path = where.replace(/^sqlite:(\/\/)?/i, "");
  const scheme = /^([a-z][a-z0-9+.-]*):\/\//i.exec(path)?.[1];
  if (path !== "" && scheme === undefined) return path;
  throw new JournalError(
    "invalid",
    scheme === undefined ? "The journal's path is empty." : `No journal in "${scheme}:".`,
    {
      hint: "Give a file's path or the postgres:// address of a database.",
    },
  );
}

import { chmod, mkdir, open } from "node:fs/promises";
import { dirname, resolve } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type CompiledQuery, sql } from "kysely";
import { gather, togetherOrAlone } from "../../../async/gather.ts";
import { nodeTooOld } from "../../../nodeVersion.ts";
import { JournalError } from "../../ports/errors.ts";
import { type Backend, ROWS_PER_TRANSACTION, type Write } from "../backend.ts";
import { sqliteDialect } from "../dialect.ts";
import { isCurrent, MIGRATIONS, migrate } from "../migrate.ts";
import { openChannel } from "./channel.ts";
import { findDamage } from "./damage.ts";
import { kyselyOn, sqlValue } from "./driver.ts";
import { fromSqlite, isBusy } from "./errors.ts";
import { openNearReader } from "./nearReader.ts";

/** The least weight of an operation, so that at most 62 of them share a transaction. */
const LEAST_ROWS = Math.ceil(ROWS_PER_TRANSACTION / 64);
/** How long SQLite itself waits for a lock. It is short, because reads wait behind it; then SQLite is asked again. */
const BUSY_TIMEOUT_MS = 250;

export type SqliteOptions = {
  /** How long to wait for another process that writes. */
  readonly busyTimeoutMs: number;
  /** The most pages of 4096 bytes that the file may have. */
  readonly maxPageCount: number | undefined;
  /** Whether the file is checked for damage. */
  readonly check: boolean;
};

/**
 * A journal in a file, or with `:memory:` in this process only.
 * @param migrations What creates and upgrades it; tests give those of another program version.
 */
export async function openSqlite(path: string, options: SqliteOptions, migrations = MIGRATIONS): Promise<Backend> {
  const tooOld = nodeTooOld("A journal in SQLite");
  if (tooOld !== undefined) throw new JournalError("unavailable", tooOld.shortMessage, tooOld);
  const file = path === ":memory:" ? path : resolve(path);
  if (file !== ":memory:") await createFile(file);
  const { maxPageCount } = options;
  const channel = openChannel({ path: file, busyTimeoutMs: BUSY_TIMEOUT_MS, maxPageCount });
  const writer = kyselyOn(channel, "writer");
  const reader = file === ":memory:" ? writer : kyselyOn(channel, "reader");
  const listeners = new Set<(paymentIds: readonly number[]) => void>();

  type Operation = { readonly run: (write: Write) => Promise<unknown>; readonly rows: number };

  /** Runs operations in one transaction and tells listeners what they changed. */
  async function commit(operations: readonly Operation[]): Promise<readonly unknown[]> {
    const changed = new Set<number>();
    const results = await patiently(options, () => {
      changed.clear();
      return writer.transaction().execute(async (db) => {
        const touch = (ids: readonly number[]) => {
          for (const id of ids) changed.add(id);
        };
        const done: unknown[] = [];
        for (const { run } of operations) done.push(await run({ db, dialect: sqliteDialect, touch }));
        return done;
      });
    });
    if (changed.size > 0) for (const listener of listeners) listener([...changed]);
    return results;
  }

  const write = gather<Operation, unknown>(
    (operations) => togetherOrAlone(operations, commit, isBusy),
    ROWS_PER_TRANSACTION,
    { weight: ({ rows }) => Math.max(rows, LEAST_ROWS) },
  );

  async function explained<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      throw fromSqlite(error, path);
    }
  }

  try {
    await patiently(options, async () => {
      const tables = await sql<{ name: string }>`select name from sqlite_schema where type = 'table'`.execute(writer);
      const names = tables.rows.map(({ name }) => name);
      if (names.length > 0 && !names.includes("schema_version")) throw foreignFile(path);
      if (names.length > 0 && options.check && file !== ":memory:") await findDamage(writer, path, names);
      // No lock if there is nothing to do, so that a busy writer keeps no reader out.
      if (names.length > 0 && (await isCurrent(writer, migrations))) return;
      await writer.transaction().execute((db) => migrate(db, sqliteDialect, migrations));
    });
  } catch (error) {
    await channel.close().catch(() => undefined);
    throw fromSqlite(error, path);
  }

  const near = await openNearReader(file);

  return {
    dialect: sqliteDialect,
    compile: (statement) => statement(writer).compile(),
    read: (query) => explained(() => patiently(options, () => query(reader))),
    write: <T>(operation: (write: Write) => Promise<T>, rows = 1) =>
      explained(async () => {
        let result: { readonly value: T } | undefined;
        const run = async (transaction: Write): Promise<void> => {
          result = { value: await operation(transaction) };
        };
        await write({ run, rows });
        if (result === undefined) throw new Error("an operation was not run");
        return result.value;
      }),
    readOne: <R>(statement: CompiledQuery<R>) => {
      // If this thread cannot read for any reason, the other thread tries and reports the reason.
      const rows = near?.read(statement.sql, statement.parameters.map(sqlValue)) as readonly R[] | undefined;
      if (rows !== undefined) return Promise.resolve(rows);
      return explained(() => patiently(options, async () => (await reader.executeQuery(statement)).rows));
    },
    writeOne: (statement) =>
      explained(() => patiently(options, async () => (await writer.executeQuery(statement)).rows)),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    close: () => {
      near?.close();
      return channel.close();
    },
  };
}

/** Asks again while another process has the lock, until `busyTimeoutMs` have passed. */
async function patiently<T>({ busyTimeoutMs }: SqliteOptions, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!isBusy(error) || performance.now() - started >= busyTimeoutMs) throw error;
      await sleep(5 + Math.random() * 20);
    }
  }
}

/** Creates the file if there is none, readable by its owner only. SQLite gives its companion files the same mode. */
async function createFile(path: string): Promise<void> {
  const folder = dirname(path);
  try {
    await mkdir(folder, { recursive: true, mode: 0o700 });
    const file = await open(path, "wx", 0o600);
    await file.sync();
    await file.close();
    await chmod(path, 0o600);
    const directory = await open(folder, "r");
    await directory.sync().finally(() => directory.close());
  } catch (cause) {
    if (cause instanceof Error && "code" in cause && cause.code === "EEXIST") return;
    const code = cause instanceof Error && "code" in cause ? cause.code : undefined;
    const kind = code === "EROFS" || code === "EACCES" ? "read-only" : code === "ENOSPC" ? "full" : "unavailable";
    throw new JournalError(kind, `The journal ${path} cannot be made.`, {
      details: cause instanceof Error ? cause.message : String(cause),
      hint: "Give a path in a folder that can be written, on a disk with space.",
      cause,
    });
  }
}

function foreignFile(path: string): JournalError {
  return new JournalError("invalid", `${path} is a database of another program.`, { hint: "Give another path." });
}

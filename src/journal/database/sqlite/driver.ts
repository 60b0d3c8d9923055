import {
  CompiledQuery,
  type DatabaseConnection,
  type Driver,
  Kysely,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { JournalError } from "../../ports/errors.ts";
import type { Tables } from "../tables.ts";
import type { Channel } from "./channel.ts";
import type { ConnectionName, SqlValue } from "./protocol.ts";

/** Kysely on one of the thread's connections. Only one user has the connection at a time. */
export function kyselyOn(channel: Channel, name: ConnectionName): Kysely<Tables> {
  return new Kysely<Tables>({
    dialect: {
      createAdapter: () => new SqliteAdapter(),
      createDriver: () => driverOn(channel, name),
      createIntrospector: (db) => new SqliteIntrospector(db),
      createQueryCompiler: () => new SqliteQueryCompiler(),
    },
  });
}

function driverOn(channel: Channel, name: ConnectionName): Driver {
  const connection: DatabaseConnection = {
    executeQuery: async <R>({ sql, parameters }: CompiledQuery) => {
      const rows = await channel.execute(name, sql, parameters.map(sqlValue));
      // Kysely derives the rows' type from the query.
      return { rows: rows as unknown as R[] };
    },
    streamQuery: () => {
      throw new Error("streaming is not supported");
    },
  };
  const run = (statement: string) => connection.executeQuery(CompiledQuery.raw(statement));
  const queue: (() => void)[] = [];
  let taken = false;

  return {
    init: async () => {},
    acquireConnection: async () => {
      if (taken) await new Promise<void>((resolve) => queue.push(resolve));
      taken = true;
      return connection;
    },
    releaseConnection: async () => {
      const next = queue.shift();
      if (next === undefined) taken = false;
      else next();
    },
    // The lock is taken at once: a transaction that begins with a read may be unable to take it later.
    beginTransaction: async () => void (await run("begin immediate")),
    commitTransaction: async () => void (await run("commit")),
    // After some errors, such as a full disk, SQLite has already rolled back by itself.
    rollbackTransaction: async () => void (await run("rollback").catch(() => undefined)),
    destroy: async () => {},
  };
}

/** A parameter in a type that SQLite takes. */
export function sqlValue(value: unknown): SqlValue {
  if (value === null || typeof value === "string" || typeof value === "bigint") return value;
  if (typeof value === "number" && Number.isSafeInteger(value)) return value;
  throw new JournalError("invalid", "A value cannot be stored.", { details: `It is of type ${typeof value}.` });
}

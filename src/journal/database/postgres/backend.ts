import { setTimeout as sleep } from "node:timers/promises";
import { Kysely, PostgresDialect, sql, type Transaction } from "kysely";
import { type ClientConfig, type CustomTypesConfig, Pool, types } from "pg";
import { JournalError } from "../../ports/errors.ts";
import type { Backend, Write } from "../backend.ts";
import { postgresDialect } from "../dialect.ts";
import { isCurrent, MIGRATIONS, migrate } from "../migrate.ts";
import type { Tables } from "../tables.ts";
import { fromPostgres, isDisconnect, isTransient } from "./errors.ts";
import { listen, payloadsOf } from "./listen.ts";

const MAX_ATTEMPTS = 8;
const MAX_RECONNECTS = 2;
/** The object id of `bigint`. */
const INT8 = 20;

export type PostgresOptions = { readonly poolSize: number; readonly schema: string };

/** A journal in a PostgreSQL database, in a schema of its own. */
export async function openPostgres(
  url: string,
  { poolSize, schema }: PostgresOptions,
  migrations = MIGRATIONS,
): Promise<Backend> {
  const password = passwordOf(url);
  const dialect = postgresDialect(schema);
  const channel = `${schema}_changes`;
  const config: ClientConfig = {
    connectionString: url,
    application_name: "tributary",
    connectionTimeoutMillis: 10_000,
    keepAlive: true,
    statement_timeout: 30_000,
    // If a process is paused within a transaction, it must not keep its locks.
    idle_in_transaction_session_timeout: 10_000,
    types: integersAsNumbers,
  };
  const pool = new Pool({ ...config, max: poolSize });
  // A broken connection is replaced. Whoever uses it, or asks next, learns of it from their own query.
  pool.on("error", () => undefined);
  pool.on("connect", (client) => client.on("error", () => undefined));
  const root = new Kysely<Tables>({ dialect: new PostgresDialect({ pool }) });
  const db = root.withSchema(schema);
  const listening = listen(config, channel);

  async function transaction<T>(work: (db: Transaction<Tables>) => Promise<T>): Promise<T> {
    let reconnects = 0;
    for (let attempt = 1; ; attempt += 1) {
      let committing = false;
      try {
        return await db
          .transaction()
          .setIsolationLevel("read committed")
          .execute(async (within) => {
            const result = await work(within);
            committing = true;
            return result;
          });
      } catch (error) {
        const reconnect = isDisconnect(error) && !committing && reconnects < MAX_RECONNECTS;
        if (reconnect) reconnects += 1;
        const again = reconnect || (isTransient(error) && attempt < MAX_ATTEMPTS);
        if (!again) throw fromPostgres(error, password, committing);
        await sleep(Math.random() * 10 * 2 ** Math.min(attempt, 6));
      }
    }
  }

  async function write<T>(operation: (write: Write) => Promise<T>): Promise<T> {
    return transaction(async (within) => {
      const changed = new Set<number>();
      const touch = (ids: readonly number[]) => {
        for (const id of ids) changed.add(id);
      };
      const result = await operation({ db: within, dialect, touch });
      const payloads = payloadsOf([...changed]);
      if (payloads.length > 0) {
        await sql`select pg_notify(${channel}, payload) from unnest(${payloads}::text[]) as payload`.execute(within);
      }
      return result;
    });
  }

  async function read<T>(query: (db: Kysely<Tables>) => Promise<T>): Promise<T> {
    for (let reconnects = 0; ; reconnects += 1) {
      try {
        return await query(db);
      } catch (error) {
        if (!isDisconnect(error) || reconnects >= MAX_RECONNECTS) throw fromPostgres(error, password, false);
        await sleep(Math.random() * 50);
      }
    }
  }

  async function prepare(): Promise<void> {
    const found = await read(
      async () =>
        (
          await sql<{
            found: boolean;
          }>`select to_regclass(${`"${schema}".schema_version`}) is not null as found`.execute(db)
        ).rows[0]?.found,
    );
    if (found === true && (await read((db) => isCurrent(db, migrations)))) return;
    await transaction(async (within) => {
      // One opener at a time: `create … if not exists` alone fails if two do it at once.
      await sql`select pg_advisory_xact_lock(hashtext(${channel}))`.execute(within);
      const existing = await sql`select 1 from pg_namespace where nspname = ${schema}`.execute(within);
      if (existing.rows.length === 0) await within.schema.createSchema(schema).execute();
      await migrate(within, dialect, migrations);
    });
  }

  try {
    await prepare();
  } catch (error) {
    await root.destroy();
    throw error;
  }

  return {
    dialect,
    compile: (statement) => statement(db).compile(),
    read,
    write,
    readOne: (statement) => read(async (db) => (await db.executeQuery(statement)).rows),
    // With `begin`: without it, nobody could tell after a broken connection whether the statement took place.
    writeOne: (statement) => write(async ({ db }) => (await db.executeQuery(statement)).rows),
    onChange: listening.add,
    close: async () => {
      await listening.close();
      await root.destroy();
    },
  };
}

/** Every `bigint` column holds an integer below 2^53 (larger ones are text), so it is read as a number. */
const integersAsNumbers: CustomTypesConfig = {
  getTypeParser: (id, format) => (Number(id) === INT8 ? Number : types.getTypeParser(Number(id), format)),
};

function passwordOf(url: string): string {
  try {
    return decodeURIComponent(new URL(url).password);
  } catch {
    // The parser's error quotes the address, and with it the password.
    throw new JournalError("invalid", "The address of the database cannot be read.", {
      hint: "Write it as postgres://user:password@host:5432/database, special characters percent-encoded.",
    });
  }
}

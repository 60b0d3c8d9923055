import type { Compilable, CompiledQuery, Kysely, Transaction } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/**
 * The most rows that share a transaction, except for those of one batch, which change together. On SQLite a process
 * that is paused within a transaction keeps everybody else from writing, so all transactions are short.
 */
export const ROWS_PER_TRANSACTION = 1_000;

/** A transaction that writes. */
export type Write = {
  readonly db: Transaction<Tables>;
  readonly dialect: Dialect;
  /** Notes that these payments changed. Listeners are told once the transaction is committed. */
  readonly touch: (paymentIds: readonly number[]) => void;
};

/** A database under the journal: how it runs and retries transactions, and tells others about them. */
export type Backend = {
  readonly dialect: Dialect;
  /**
   * A statement for `readOne` and `writeOne`. It is compiled once and run with other parameters each time, because
   * compiling takes longer than running.
   */
  readonly compile: <R>(statement: (db: Kysely<Tables>) => Compilable<R>) => CompiledQuery<R>;
  /** Reads what is committed. */
  readonly read: <T>(query: (db: Kysely<Tables>) => Promise<T>) => Promise<T>;
  /**
   * Reads a few rows by their keys, in the shortest way. On SQLite that is in this thread: a row takes some
   * microseconds, and the way to another thread ten times as long.
   */
  readonly readOne: <R>(statement: CompiledQuery<R>) => Promise<readonly R[]>;
  /**
   * Runs `operation` in a transaction and resolves once that is durable. It may run more than once, so it must have no
   * effects outside the transaction. On SQLite it may share the transaction with other operations.
   * @param rows How many rows it may change, if more than a few.
   */
  readonly write: <T>(operation: (write: Write) => Promise<T>, rows?: number) => Promise<T>;
  /**
   * Runs one statement as a transaction of its own and resolves once that is durable. On SQLite it takes one message to
   * the thread instead of three.
   */
  readonly writeOne: <R>(statement: CompiledQuery<R>) => Promise<readonly R[]>;
  readonly onChange: (listener: (paymentIds: readonly number[]) => void) => () => void;
  readonly close: () => Promise<void>;
};

/** A compiled statement with these parameters in the place of those that it was compiled with. */
export function withParameters<R>(statement: CompiledQuery<R>, ...parameters: readonly unknown[]): CompiledQuery<R> {
  return { ...statement, parameters };
}

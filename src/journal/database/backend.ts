import type { Compilable, CompiledQuery, Kysely, Transaction } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/**
 * So many rows share a transaction, at most, but for those of one batch, which change together. A process that is stopped in
 * the middle of a transaction on SQLite keeps everybody else from writing, so all of them are short.
 */
export const ROWS_PER_TRANSACTION = 1_000;

/** A transaction that writes. */
export type Write = {
  readonly db: Transaction<Tables>;
  readonly dialect: Dialect;
  /** Says that these payments changed: listeners are told once the transaction is committed. */
  readonly touch: (paymentIds: readonly number[]) => void;
};

/** A database under the journal: how transactions run there, are retried, and are told to others. */
export type Backend = {
  readonly dialect: Dialect;
  /**
   * A statement for `readOne` and `writeOne`. It is made once and run with other parameters each time: to make it takes longer
   * than to run it.
   */
  readonly compile: <R>(statement: (db: Kysely<Tables>) => Compilable<R>) => CompiledQuery<R>;
  /** Reads what is committed. */
  readonly read: <T>(query: (db: Kysely<Tables>) => Promise<T>) => Promise<T>;
  /**
   * One read of few rows by their keys, by the shortest way: on SQLite that is this thread, in which a row takes some microseconds
   * and the way to another thread ten times as long.
   */
  readonly readOne: <R>(statement: CompiledQuery<R>) => Promise<readonly R[]>;
  /**
   * Runs `operation` in a transaction and resolves once that is durable. It may run more than once, so it has no effects
   * but on its transaction; on SQLite it may share that with other operations.
   * @param rows How many rows it may change, where that is more than a few.
   */
  readonly write: <T>(operation: (write: Write) => Promise<T>, rows?: number) => Promise<T>;
  /** Runs one statement as a transaction of its own and resolves once that is durable: on SQLite in one message to the thread for three. */
  readonly writeOne: <R>(statement: CompiledQuery<R>) => Promise<readonly R[]>;
  readonly onChange: (listener: (paymentIds: readonly number[]) => void) => () => void;
  readonly close: () => Promise<void>;
};

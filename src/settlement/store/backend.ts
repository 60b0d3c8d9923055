import type { Kysely, Transaction } from "kysely";
import type { Dialect } from "./dialect.ts";
import type { Tables } from "./tables.ts";

/** A transaction that writes. */
export type Write = {
  readonly db: Transaction<Tables>;
  readonly dialect: Dialect;
  /** Says that these payments changed: listeners are told once the transaction is committed. */
  readonly touch: (paymentIds: readonly number[]) => void;
};

/** A database under the store: how transactions run there, are retried, and are told to others. */
export type Backend = {
  readonly dialect: Dialect;
  /** Reads what is committed. */
  readonly read: <T>(query: (db: Kysely<Tables>) => Promise<T>) => Promise<T>;
  /**
   * Runs `operation` in a transaction and resolves once that is durable. It may run more than once, so it has no effects
   * but on its transaction; on SQLite it may share that with other operations.
   */
  readonly write: <T>(operation: (write: Write) => Promise<T>) => Promise<T>;
  readonly onChange: (listener: (paymentIds: readonly number[]) => void) => () => void;
  readonly close: () => Promise<void>;
};

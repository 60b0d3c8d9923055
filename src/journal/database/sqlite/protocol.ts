// Messages between the journal and the thread that runs SQLite.

/** Reads have a connection of their own, so that they see only what is committed while a transaction is running. */
export type ConnectionName = "writer" | "reader";

export type WorkerSettings = {
  readonly path: string;
  readonly busyTimeoutMs: number;
  readonly maxPageCount: number | undefined;
};

export type SqlValue = string | number | bigint | null;

export type WorkerRequest =
  | {
      readonly id: number;
      readonly connection: ConnectionName;
      readonly sql: string;
      readonly parameters: readonly SqlValue[];
    }
  | { readonly id: number; readonly close: true };

/** An error with SQLite's extended result code; undefined if the error is not SQLite's. */
export type WorkerFailure = { readonly code: number | undefined; readonly message: string };

export type Rows = readonly Readonly<Record<string, SqlValue>>[];

export type WorkerAnswer =
  | { readonly id: number; readonly rows: Rows }
  | { readonly id: number; readonly failure: WorkerFailure };

// What passes between the journal and the thread that SQLite lives on.

/** Reads go through a connection of their own, so that they see what is committed while a transaction is under way. */
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

/** An error of SQLite: its extended result code, where it is one. */
export type WorkerFailure = { readonly code: number | undefined; readonly message: string };

export type Rows = readonly Readonly<Record<string, SqlValue>>[];

export type WorkerAnswer =
  | { readonly id: number; readonly rows: Rows }
  | { readonly id: number; readonly failure: WorkerFailure };

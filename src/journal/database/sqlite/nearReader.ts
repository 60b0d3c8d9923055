import type { StatementSync } from "node:sqlite";
import type { Rows, SqlValue } from "./protocol.ts";

/** A read-only connection of the calling thread. */
export type NearReader = {
  /** Rows as they are committed; undefined if they cannot be read just now, for whatever reason. */
  readonly read: (sql: string, parameters: readonly SqlValue[]) => Rows | undefined;
  readonly close: () => void;
};

/** Only a few different statements come here, each of them with every request to a server. */
const MAX_STATEMENTS = 20;

/**
 * Opens an existing journal for reads by key in this thread. With a write-ahead log no writer holds them up. Returns
 * undefined if that fails, since the other thread can do all of it.
 */
export async function openNearReader(file: string): Promise<NearReader | undefined> {
  if (file === ":memory:") return undefined;
  try {
    const { DatabaseSync } = await import("node:sqlite");
    // No waiting here: if a read has to wait, it does so in the other thread.
    const database = new DatabaseSync(file, { readOnly: true, timeout: 0 });
    const statements = new Map<string, StatementSync>();
    return {
      read: (sql, parameters) => {
        try {
          let statement = statements.get(sql);
          if (statement === undefined) {
            statement = database.prepare(sql);
            if (statements.size >= MAX_STATEMENTS) statements.clear();
            statements.set(sql, statement);
          }
          return statement.all(...parameters) as Rows;
        } catch {
          return undefined;
        }
      },
      close: () => database.close(),
    };
  } catch {
    return undefined;
  }
}

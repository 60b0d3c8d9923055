import type { StatementSync } from "node:sqlite";
import type { Rows, SqlValue } from "./protocol.ts";

/** A connection of the calling thread that only reads. */
export type NearReader = {
  /** Rows as they are committed; undefined where they cannot be read just now, for whatever reason. */
  readonly read: (sql: string, parameters: readonly SqlValue[]) => Rows | undefined;
  readonly close: () => void;
};

/** Few texts come here, and each of them as often as a server is asked. */
const MAX_STATEMENTS = 20;

/**
 * Opens a journal that exists for reads by key in this thread. With a write-ahead log no writer holds them up. Gives undefined
 * where that cannot be done: the other thread can do all of it.
 */
export async function openNearReader(file: string): Promise<NearReader | undefined> {
  if (file === ":memory:") return undefined;
  try {
    const { DatabaseSync } = await import("node:sqlite");
    // Whoever has to wait does so in the other thread.
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

import { type AliasedRawBuilder, type RawBuilder, type SelectQueryBuilder, type SqlBool, sql } from "kysely";
import { cleanText } from "./codec.ts";

export type ColumnType = "integer" | "text";

/** All differences between the two databases that the journal's queries meet. */
export type Dialect = {
  /** SQL type of a 64-bit integer column. */
  readonly integerType: "integer" | "bigint";
  /** Unix milliseconds by the clock of the database. */
  readonly nowMs: RawBuilder<number>;
  /** Whether `column` is one of `values`, however many, in one parameter: what `listParameter` makes of them. */
  readonly isOneOf: (column: string, values: readonly (number | string)[]) => RawBuilder<SqlBool>;
  readonly listParameter: (values: readonly (number | string)[]) => unknown;
  /** The last `length` characters of a column. */
  readonly ending: (column: string, length: number) => RawBuilder<string>;
  /**
   * Records as a table `input`, with their order in the column `position`. It takes one parameter: what
   * `recordsParameter` makes of them.
   */
  readonly records: <R extends object>(
    records: readonly R[],
    columns: { readonly [K in keyof R]: ColumnType },
  ) => AliasedRawBuilder<R & { readonly position: number }, "input">;
  readonly recordsParameter: (records: readonly object[]) => string;
  /** Locks the selected rows until the transaction ends. SQLite has one writer at a time, so it needs no lock. */
  readonly lock: <DB, T extends keyof DB, O>(
    query: SelectQueryBuilder<DB, T, O>,
    how: "update" | "share" | "skip-locked",
  ) => SelectQueryBuilder<DB, T, O>;
  /** Statements that make a table refuse updates and deletions. */
  readonly appendOnly: (table: string) => readonly RawBuilder<unknown>[];
  /** The end of every `create table`. */
  readonly tableOptions: RawBuilder<unknown> | undefined;
  /** The same for a table whose rows are rewritten all the time. */
  readonly rewrittenTableOptions: RawBuilder<unknown>;
  /** An id that the database gives out, ascending and never twice. */
  readonly identity: "autoincrement" | "identity";
};

export const sqliteDialect: Dialect = {
  integerType: "integer",
  nowMs: sql<number>`cast(unixepoch('subsec') * 1000 as integer)`,
  isOneOf: (column, values) => sql`${sql.ref(column)} in (select value from json_each(${JSON.stringify(values)}))`,
  listParameter: (values) => JSON.stringify(values),
  ending: (column, length) => sql`substr(${sql.ref(column)}, ${sql.lit(-length)})`,
  records: (records, columns) => {
    const fields = Object.keys(columns).map((name) => sql`value ->> ${sql.lit(name)} as ${sql.id(name)}`);
    const json = JSON.stringify(records);
    return sql<never>`(select key as position, ${sql.join(fields)} from json_each(${json}))`.as("input");
  },
  recordsParameter: (records) => JSON.stringify(records),
  lock: (query) => query,
  appendOnly: (table) =>
    ["update", "delete"].map(
      (event) =>
        sql`create trigger ${sql.id(`${table}_no_${event}`)} before ${sql.raw(event)} on ${sql.id(table)}
            begin select raise(abort, 'this table is append-only'); end`,
    ),
  tableOptions: sql`strict`,
  rewrittenTableOptions: sql`strict`,
  identity: "autoincrement",
};

function numbered(records: readonly object[]): string {
  return JSON.stringify(records.map((record, position) => ({ position, ...record })));
}

/** PostgreSQL, with the tables in `schema`. */
export function postgresDialect(schema: string): Dialect {
  return {
    integerType: "bigint",
    nowMs: sql<number>`(extract(epoch from clock_timestamp()) * 1000)::bigint`,
    isOneOf: (column, values) => {
      // An empty list has no type that would fit any column.
      if (values.length === 0) return sql`false`;
      const type = sql.raw(values.every((value) => typeof value === "number") ? "bigint" : "text");
      return sql`${sql.ref(column)} = any(${values}::${type}[])`;
    },
    listParameter: (values) => values,
    ending: (column, length) => sql`right(${sql.ref(column)}, ${sql.lit(length)})`,
    records: (records, columns) => {
      const json = numbered(records);
      const fields = Object.entries<ColumnType>({ position: "integer", ...columns }).map(
        ([name, type]) => sql`${sql.id(name)} ${sql.raw(type === "integer" ? "bigint" : "text")}`,
      );
      const input = sql`json_to_recordset(${json}::json) as fields(${sql.join(fields)})`;
      return sql<never>`(select * from ${input})`.as("input");
    },
    recordsParameter: numbered,
    lock: (query, how) => {
      if (how === "share") return query.forShare();
      return how === "update" ? query.forUpdate() : query.forUpdate().skipLocked();
    },
    appendOnly: (table) => {
      const refuse = sql.id(schema, `${table}_refuse_change`);
      return [
        sql`create function ${refuse}() returns trigger language plpgsql as
            'begin raise exception ''this table is append-only''; end'`,
        sql`create trigger ${sql.id(`${table}_append_only`)} before update or delete on ${sql.id(schema, table)}
            for each row execute function ${refuse}()`,
      ];
    },
    tableOptions: undefined,
    // Room for a row's next versions beside it: the space of old ones is then free again without a vacuum.
    rewrittenTableOptions: sql`with (fillfactor = 40)`,
    identity: "identity",
  };
}

/** `cleanText` of a text that may be missing, as a column holds it. */
export function textColumn(text: string | undefined): string | null {
  return text === undefined ? null : cleanText(text);
}

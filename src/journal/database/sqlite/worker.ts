// The thread that runs SQLite. `node:sqlite` is synchronous, so in the main thread an fsync would hold up everything
// else.
import { DatabaseSync, type StatementSync } from "node:sqlite";
import { parentPort, workerData } from "node:worker_threads";
import type { ConnectionName, Rows, WorkerAnswer, WorkerFailure, WorkerRequest, WorkerSettings } from "./protocol.ts";

const BUSY = 5;
const MAX_STATEMENTS = 200;

type Connection = { readonly database: DatabaseSync; readonly statements: Map<string, StatementSync> };

const settings: WorkerSettings = workerData;
const port = parentPort;
if (port === null) throw new Error("this file is a worker");

let connections: Readonly<Record<ConnectionName, Connection>> | undefined;

// The first request opens the database.
port.on("message", (request: WorkerRequest) => {
  let answer: WorkerAnswer;
  try {
    answer = { id: request.id, rows: answerTo(request) };
  } catch (error) {
    answer = { id: request.id, failure: failureOf(error) };
  }
  port.postMessage(answer);
  if ("close" in request) port.close();
});

function answerTo(request: WorkerRequest): Rows {
  if ("close" in request) {
    if (connections !== undefined) {
      // The writer closes last: it may fold the write-ahead log into the file.
      for (const database of new Set([connections.reader.database, connections.writer.database])) database.close();
    }
    return [];
  }
  connections ??= openBoth();
  const { database, statements } = connections[request.connection];
  let statement = statements.get(request.sql);
  if (statement === undefined) {
    statement = database.prepare(request.sql);
    const oldest = statements.keys().next();
    if (statements.size >= MAX_STATEMENTS && !oldest.done) statements.delete(oldest.value);
    statements.set(request.sql, statement);
  }
  // The tables hold integers and texts only.
  return statement.all(...request.parameters) as Rows;
}

function openBoth(): Readonly<Record<ConnectionName, Connection>> {
  const writer = open();
  if (settings.path === ":memory:") return { writer, reader: writer };
  try {
    const reader = open();
    reader.database.exec("pragma query_only = on");
    return { writer, reader };
  } catch (error) {
    writer.database.close();
    throw error;
  }
}

function open(): Connection {
  const database = new DatabaseSync(settings.path, {
    timeout: settings.busyTimeoutMs,
    enableForeignKeyConstraints: true,
  });
  try {
    patiently(() => database.exec("pragma journal_mode = wal"));
    database.exec("pragma synchronous = full");
    // These do nothing except on macOS, where fsync alone does not reach the disk.
    database.exec("pragma fullfsync = on");
    database.exec("pragma checkpoint_fullfsync = on");
    database.exec("pragma journal_size_limit = 67108864");
    if (settings.maxPageCount !== undefined) database.exec(`pragma max_page_count = ${settings.maxPageCount}`);
  } catch (error) {
    database.close();
    throw error;
  }
  return { database, statements: new Map() };
}

/** The switch to WAL does not wait for another opener that is switching too, so it is tried again. */
function patiently(work: () => void): void {
  for (let left = 100; ; left -= 1) {
    try {
      work();
      return;
    } catch (error) {
      if (left === 0 || ((failureOf(error).code ?? 0) & 0xff) !== BUSY) throw error;
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 50);
    }
  }
}

function failureOf(error: unknown): WorkerFailure {
  const message = error instanceof Error ? error.message : String(error);
  const code = error instanceof Error && "errcode" in error ? error.errcode : undefined;
  return { code: typeof code === "number" ? code : undefined, message };
}

import { Worker } from "node:worker_threads";
import { JournalError } from "../../ports/errors.ts";
import { SqliteFailure } from "./errors.ts";
import type { ConnectionName, Rows, SqlValue, WorkerAnswer, WorkerRequest, WorkerSettings } from "./protocol.ts";

/** The way to the thread that runs SQLite. */
export type Channel = {
  readonly execute: (connection: ConnectionName, sql: string, parameters: readonly SqlValue[]) => Promise<Rows>;
  /** Closes the database; the thread ends. */
  readonly close: () => Promise<void>;
};

// In the checkout the worker is TypeScript, in the package it is the compiled file.
const workerFile = new URL(import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js", import.meta.url);

/**
 * Starts a thread for a database. The first statement opens it. The thread keeps the process alive only while it works.
 */
export function openChannel(settings: WorkerSettings): Channel {
  type Waiting = { readonly resolve: (rows: Rows) => void; readonly reject: (error: unknown) => void };
  const worker = new Worker(workerFile, { workerData: settings, name: "tributary-journal" });
  worker.unref();
  const waiting = new Map<number, Waiting>();
  let lastId = 0;
  let ended: JournalError | undefined;

  worker.on("message", (answer: WorkerAnswer) => {
    const request = waiting.get(answer.id);
    waiting.delete(answer.id);
    if (waiting.size === 0) worker.unref();
    if (request === undefined) return;
    if ("rows" in answer) request.resolve(answer.rows);
    else request.reject(new SqliteFailure(answer.failure));
  });
  worker.on("error", (cause) => end(cause));
  worker.on("exit", () => end(undefined));

  function end(cause: unknown): void {
    ended ??= new JournalError("unavailable", "The journal's thread has ended.", {
      hint: "Open the journal again; the cause says what ended it.",
      cause,
    });
    for (const { reject } of waiting.values()) reject(ended);
    waiting.clear();
  }

  type Body = WorkerRequest extends infer R ? (R extends WorkerRequest ? Omit<R, "id"> : never) : never;
  function ask(body: Body): Promise<Rows> {
    return new Promise((resolve, reject) => {
      if (ended !== undefined) {
        reject(ended);
        return;
      }
      lastId += 1;
      if (waiting.size === 0) worker.ref();
      waiting.set(lastId, { resolve, reject });
      worker.postMessage({ id: lastId, ...body });
    });
  }

  return {
    execute: (connection, sql, parameters) => ask({ connection, sql, parameters }),
    close: async () => {
      if (ended !== undefined) return;
      const exited = new Promise((resolve) => worker.once("exit", resolve));
      worker.ref();
      await ask({ close: true });
      worker.ref();
      await exited;
    },
  };
}

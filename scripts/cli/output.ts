import { once } from "node:events";
import Table from "cli-table3";

let closed = false;

/**
 * Keeps a command alive whose reader went away (`tributary settle … | head`): it finishes what it does, unheard. Call it
 * once, before anything is printed.
 */
export function surviveClosedOutput(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (stream === process.stdout) closed = true;
    });
  }
}

/** Whether nobody reads stdout any more, so that a command that only prints may end. */
export function isOutputClosed(): boolean {
  return closed;
}

/** Prints one line on stdout. */
export function printLine(line = ""): void {
  if (!closed) process.stdout.write(`${line}\n`);
}

/** Prints one line on stdout and waits while the reader is slower. For long output. */
export async function streamLine(line: string): Promise<void> {
  if (closed || process.stdout.write(`${line}\n`)) return;
  await Promise.race([
    once(process.stdout, "drain"),
    once(process.stdout, "close"),
    once(process.stdout, "error"),
  ]).catch(() => undefined);
}

/** Prints `value` as one line of JSON, with bigints as decimal strings. */
export function printJson(value: unknown): void {
  printLine(toJson(value));
}

/** One line of JSON, with bigints as decimal strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
}

/** Tells the person at the terminal something that is no result: on stderr, so that pipes stay clean. */
export function notice(text: string): void {
  console.error(text);
}

export type Column = { readonly title: string; readonly align?: "left" | "right" };

/** A table without lines, for people. */
export function formatTable(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const none = "";
  const table = new Table({
    head: columns.map((column) => column.title),
    colAligns: columns.map((column) => column.align ?? "left"),
    style: { head: [], border: [], "padding-left": 0, "padding-right": 2 },
    chars: {
      top: none,
      "top-mid": none,
      "top-left": none,
      "top-right": none,
      bottom: none,
      "bottom-mid": none,
      "bottom-left": none,
      "bottom-right": none,
      left: none,
      "left-mid": none,
      mid: none,
      "mid-mid": none,
      right: none,
      "right-mid": none,
      middle: none,
    },
  });
  table.push(...rows.map((row) => [...row]));
  return table
    .toString()
    .split("\n")
    .map((line) => line.trimEnd())
    .join("\n");
}

import { once } from "node:events";
import { currentRun, type Run } from "../process/surroundings.ts";
import { fold, widthOf } from "./terminal.ts";

export { type Column, formatTable } from "./table.ts";

/** Runs that survive already: a process that runs several commands has the same streams for all of them. */
const surviving = new WeakSet<Run>();

/**
 * Keeps a command alive if its reader went away (`tributary settle … | head`): the command finishes its work unheard.
 * Call it before anything is printed.
 */
export function surviveClosedOutput(): void {
  const run = currentRun();
  if (surviving.has(run)) return;
  surviving.add(run);
  for (const stream of [run.stdout, run.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      if (error.code !== "EPIPE") throw error;
      if (stream === run.stdout) run.isOutputClosed = true;
    });
  }
}

/** Whether nobody reads stdout any more, so that a command that only prints may end. */
export function isOutputClosed(): boolean {
  return currentRun().isOutputClosed;
}

/** Prints text for people on stdout, one line or more. If the terminal is narrower, it is folded between words. */
export function printLine(line = ""): void {
  printVerbatim(fold(line, widthOf()));
}

/** Prints a line on stdout as it is: what somebody else wrote, or a machine reads. */
export function printVerbatim(line: string): void {
  const { stdout, isOutputClosed } = currentRun();
  if (!isOutputClosed) stdout.write(`${line}\n`);
}

/** Prints one line on stdout and waits while the reader is slower. For long output. */
export async function streamLine(line: string): Promise<void> {
  const { stdout, isOutputClosed } = currentRun();
  if (isOutputClosed || stdout.write(`${line}\n`)) return;
  await Promise.race([once(stdout, "drain"), once(stdout, "close"), once(stdout, "error")]).catch(() => undefined);
}

/** Prints `value` as one line of JSON, with bigints as decimal strings. */
export function printJson(value: unknown): void {
  printVerbatim(toJson(value));
}

/** One line of JSON, with bigints as decimal strings. */
export function toJson(value: unknown): string {
  return JSON.stringify(value, (_key, item: unknown) => (typeof item === "bigint" ? item.toString() : item));
}

/** Tells the person at the terminal something that is no result: on stderr, so that pipes stay clean. */
export function notice(text: string): void {
  const { stderr } = currentRun();
  stderr.write(`${fold(text, widthOf(stderr))}\n`);
}

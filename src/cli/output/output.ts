import { once } from "node:events";
import { currentRun, type Run } from "../process/surroundings.ts";
import { fold, widthOf } from "./terminal.ts";

export { type Column, formatTable } from "./table.ts";

/** Runs that are protected already. Several commands of one process share its streams. */
const surviving = new WeakSet<Run>();

/**
 * Keeps a command alive if its reader goes away (`tributary settle … | head`): it finishes its work without output.
 * Call this before anything is printed.
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

/** Whether the reader of stdout is gone. Then a command that only prints may end. */
export function isOutputClosed(): boolean {
  return currentRun().isOutputClosed;
}

/** Prints text for people on stdout, one line or more. In a narrow terminal, lines are folded between words. */
export function printLine(line = ""): void {
  printVerbatim(fold(line, widthOf()));
}

/** Prints a line on stdout as it is: for other people's text, or for machines to read. */
export function printVerbatim(line: string): void {
  const { stdout, isOutputClosed } = currentRun();
  if (!isOutputClosed) stdout.write(`${line}\n`);
}

/** Prints one line on stdout and waits if the reader is slower. For long output. */
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

/** Prints text for people that is not part of the result: on stderr, so that pipes stay clean. */
export function notice(text: string): void {
  const { stderr } = currentRun();
  stderr.write(`${fold(text, widthOf(stderr))}\n`);
}

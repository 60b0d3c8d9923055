import { AsyncLocalStorage } from "node:async_hooks";
import type { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";
import { EXIT, type ExitCode } from "./exitCodes.ts";

/** A stream that may be a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };
export type Input = Readable & { readonly isTTY?: boolean };

/** What a command has around it. */
export type Surroundings = {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Emits the signals that ask to stop, by their names. */
  readonly signals: Pick<EventEmitter, "on" | "off" | "listenerCount">;
};

/** One run of a command. */
export type Run = Surroundings & {
  /** What the command ends with, unless it throws. */
  exitCode: ExitCode;
  /** Whether nobody reads stdout any more. */
  isOutputClosed: boolean;
  /** Whether an address or a hash was shortened to fit the terminal. */
  wasShortened: boolean;
};

const runs = new AsyncLocalStorage<Run>();
let processRun: Run | undefined;

/** Does `work` as a run of its own. Without `around` it has the surroundings of this process. */
export function inRun<T>(work: () => Promise<T>, around?: Surroundings): Promise<T> {
  // A process runs one command, and needs nothing to tell it from others.
  return around === undefined ? work() : runs.run(newRun(around), work);
}

/** The run that the caller is part of. Read streams and environment from here, never from `process`. */
export function currentRun(): Run {
  const run = runs.getStore();
  if (run !== undefined) return run;
  const { stdin, stdout, stderr, env } = process;
  processRun ??= newRun({ stdin, stdout, stderr, env, signals: process });
  return processRun;
}

function newRun(around: Surroundings): Run {
  return { ...around, exitCode: EXIT.done, isOutputClosed: false, wasShortened: false };
}

import { AsyncLocalStorage } from "node:async_hooks";
import type { EventEmitter } from "node:events";
import type { Readable, Writable } from "node:stream";
import { EXIT, type ExitCode } from "./exitCodes.ts";

/** A stream that may be a terminal. */
export type Output = Writable & { readonly isTTY?: boolean; readonly columns?: number };
export type Input = Readable & { readonly isTTY?: boolean };

/** The streams, environment and signals of a command. */
export type Surroundings = {
  readonly stdin: Input;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Emits the signals that ask to stop, by name. */
  readonly signals: Pick<EventEmitter, "on" | "off" | "listenerCount">;
};

/** One run of a command. */
export type Run = Surroundings & {
  /** The command's exit code, unless it throws. */
  exitCode: ExitCode;
  /** Whether the reader of stdout is gone. */
  isOutputClosed: boolean;
  /** Whether an address or a hash was shortened to fit the terminal. */
  wasShortened: boolean;
};

const runs = new AsyncLocalStorage<Run>();
let processRun: Run | undefined;

/** Does `work` as a run with the surroundings `around`; without them, with those of this process. */
export function inRun<T>(work: () => Promise<T>, around?: Surroundings): Promise<T> {
  // A process runs one command, so there is nothing to tell apart.
  return around === undefined ? work() : runs.run(newRun(around), work);
}

/** The run that the caller belongs to. Read streams and environment from here, never from `process`. */
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

import { inspect } from "node:util";
import { CommanderError } from "commander";
import { TributaryError } from "../../errors.ts";
import { notice } from "../output/output.ts";
import { paint, type Tone } from "../output/terminal.ts";
import { EXIT, type ExitCode } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import { hintOf } from "./hints.ts";

/** An error that decides the exit code of its command. */
export class CommandError extends TributaryError {
  override readonly name: string = "CommandError";
  readonly exitCode: ExitCode;

  constructor(
    shortMessage: string,
    exitCode: ExitCode,
    options: { details?: string; hint?: string; cause?: unknown } = {},
  ) {
    super(shortMessage, options);
    this.exitCode = exitCode;
  }
}

/** Bad usage or bad input: exit code 2, and nothing was sent. */
export class UsageError extends CommandError {
  override readonly name = "UsageError";

  constructor(shortMessage: string, options: { details?: string; hint?: string; cause?: unknown } = {}) {
    super(shortMessage, EXIT.usage, options);
  }
}

/** Runs `read` on the user's input and turns its errors into a {@link UsageError}. */
export function asUsage<T>(read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw toUsage(error);
  }
}

/** Like {@link asUsage}, for a promise. */
export async function asUsageAsync<T>(reading: Promise<T>): Promise<T> {
  try {
    return await reading;
  } catch (error) {
    throw toUsage(error);
  }
}

function toUsage(error: unknown): unknown {
  if (!(error instanceof TributaryError) || error instanceof CommandError) return error;
  return new UsageError(error.shortMessage, explained(error));
}

/** Details, hint and cause of a command's error that stands for an error of the library. */
export function explained(error: TributaryError): { details?: string; hint?: string; cause: unknown } {
  const hint = hintOf(error);
  return {
    ...(error.details === undefined ? {} : { details: error.details }),
    ...(hint === undefined ? {} : { hint }),
    cause: error,
  };
}

/** Prints `error` on stderr and returns its exit code. Stacks are shown only for debugging. */
export function reportError(error: unknown, debug: boolean): ExitCode {
  // Commander has printed its message already. Help and version are not errors.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof TributaryError) {
    say("bad", "error", error.shortMessage);
    if (error.details !== undefined) notice(`  ${error.details}`);
    const hint = hintOf(error);
    if (hint !== undefined) say("title", "hint", hint);
  } else {
    say("bad", "error", error instanceof Error ? error.message : String(error));
    say("title", "hint", "This is a bug in tributary. Run again with --debug and report what it prints.");
  }
  if (debug) currentRun().stderr.write(`${inspect(error)}\n`);
  return error instanceof CommandError ? error.exitCode : EXIT.failure;
}

function say(tone: Tone, label: string, text: string): void {
  notice(`${paint(tone, `${label}:`, currentRun().stderr)} ${text}`);
}

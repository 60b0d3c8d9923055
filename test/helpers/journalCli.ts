import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { serialiseAuthorization } from "../../src/authorization/serialise.ts";
import type { SignedAuthorization } from "../../src/authorization/types.ts";
import type { LinePayment } from "../../src/cli/input/input.ts";
import { type Journal, openJournal } from "../../src/journal/index.ts";
import { cleanEnvironment } from "./cli.ts";

const program = join(import.meta.dirname, "..", "..", "scripts", "tributary.ts");

/** Writes payments into a file, one to a line. */
export function writePayments(folder: string, payments: readonly LinePayment[], name = "payments.jsonl"): string {
  const file = join(folder, name);
  writeFileSync(file, payments.map(({ authorization }) => lineOf(authorization)).join(""));
  return file;
}

export function lineOf(authorization: SignedAuthorization): string {
  return `${serialiseAuthorization(authorization)}\n`;
}

/** The lines of a file of JSON. */
export function readLines(file: string): { readonly [field: string]: unknown }[] {
  return readFileSync(file, "utf8")
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line));
}

/** Opens a journal for `work` and closes it again, as another process would. */
export async function inJournal<T>(file: string, work: (journal: Journal) => Promise<T>): Promise<T> {
  const journal = await openJournal(file);
  try {
    return await work(journal);
  } finally {
    await journal.close();
  }
}

/** A command that runs until it is told to stop. */
export type Running = {
  readonly child: ChildProcess;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until `holds`; fails where the command ends before that. */
  readonly until: (holds: () => boolean | Promise<boolean>) => Promise<void>;
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
  readonly ended: Promise<number | null>;
};

/** Starts `tributary …args` without this process's keys and settings. */
export function startCommand(args: readonly string[], env: Readonly<Record<string, string>> = {}): Running {
  const child = spawn(process.execPath, [program, ...args], {
    env: cleanEnvironment(env),
    stdio: ["pipe", "pipe", "pipe"],
  });
  let [stdout, stderr] = ["", ""];
  child.stdout.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", resolve));
  return {
    child,
    stdout: () => stdout,
    stderr: () => stderr,
    until: async (holds) => {
      while (!(await holds())) {
        if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}: ${stderr}`);
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    },
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
    ended,
  };
}

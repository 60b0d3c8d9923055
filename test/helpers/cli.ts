import { spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { realpathSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { PassThrough, Writable } from "node:stream";
import { commands } from "../../scripts/commands.ts";
import type { STOP_SIGNALS } from "../../src/cli/process/stopSignals.ts";
import type { Output } from "../../src/cli/process/surroundings.ts";
import { run } from "../../src/cli/program.ts";
import { cleanEnvironment } from "./environment.ts";

const root = join(import.meta.dirname, "..", "..");
const program = join(root, "scripts", "tributary.ts");

export const TEST_MNEMONIC = "test test test test test test test test test test test junk";

export type CliResult = {
  /** Null if it was killed. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
};

/** A command that runs until it is told to stop. */
export type Running = {
  readonly stdin: Writable;
  readonly stdout: () => string;
  readonly stderr: () => string;
  /** Waits until `holds`; fails if the command ends before that. */
  readonly until: (holds: () => boolean | Promise<boolean>) => Promise<void>;
  /** Sends a signal and waits for the end. */
  readonly stop: (signal?: StopSignal) => Promise<number | null>;
  /** Its exit code, null if it was killed. */
  readonly ended: Promise<number | null>;
  readonly hasEnded: () => boolean;
};

type StopSignal = (typeof STOP_SIGNALS)[number];

/** A command that runs in its own process. */
export type RunningProcess = Omit<Running, "stop"> & {
  readonly pid: number | undefined;
  readonly stop: (signal?: StopSignal | "SIGKILL") => Promise<number | null>;
};

type Options = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
};

type RunOptions = Options & {
  /** The width of stdout and stderr if they are a terminal. */
  readonly columns?: number;
};

type SpawnOptions = Options & {
  /** Options of Node itself, before the program. */
  readonly nodeOptions?: readonly string[];
};

/** Runs `tributary …args` in this process, without its keys and settings, and waits for its end. */
export function runCli(args: readonly string[], options: RunOptions = {}): Promise<CliResult> {
  return resultOf(startCommand(args, options));
}

/** Starts `tributary …args` in this process, without its keys and settings. */
export function startCommand(args: readonly string[], { env = {}, cwd, columns }: RunOptions = {}): Running {
  const [stdout, stderr] = [createSink(columns), createSink(columns)];
  const stdin = new PassThrough();
  const signals = new EventEmitter();
  const around = {
    stdin,
    stdout,
    stderr,
    env: columns === undefined ? env : { TERM: "xterm-256color", ...env },
    signals,
  };
  const ended = inFolder(cwd, () => run(args, commands, around));
  return follow({ stdin, stdout: stdout.text, stderr: stderr.text }, ended, (signal: StopSignal) => {
    if (!signals.emit(signal)) throw new Error(`tributary ${args.join(" ")} does not listen for ${signal}`);
  });
}

/** Runs `tributary …args` in its own process: for what only a process shows, its Node, memory or lock for example. */
export function spawnCli(args: readonly string[], options: SpawnOptions = {}): Promise<CliResult> {
  return resultOf(spawnCommand(args, options));
}

/** Starts `tributary …args` in its own process: for what only a process shows, what SIGKILL leaves for example. */
export function spawnCommand(args: readonly string[], options: SpawnOptions = {}): RunningProcess {
  return spawnNode([program, ...args], options);
}

/** Runs a TypeScript module given as text, with the project's root as its folder. */
export function runModule(source: string, options: SpawnOptions = {}): Promise<CliResult> {
  return resultOf(spawnNode(["--input-type=module-typescript", "--eval", source], options));
}

/** The first output of a running command with `--json`. */
export async function firstLine(running: Pick<Running, "stdout" | "until">): Promise<unknown> {
  await running.until(() => running.stdout().includes("\n"));
  return JSON.parse(running.stdout().slice(0, running.stdout().indexOf("\n")));
}

function spawnNode(args: readonly string[], { env, cwd = root, nodeOptions = [] }: SpawnOptions): RunningProcess {
  const child = spawn(process.execPath, [...nodeOptions, ...args], { cwd, env: cleanEnvironment(env) });
  let [stdout, stderr] = ["", ""];
  child.stdout.setEncoding("utf8").on("data", (text: string) => {
    stdout += text;
  });
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = new Promise<number | null>((resolve, reject) => child.once("error", reject).once("close", resolve));
  const streams = { stdin: child.stdin, stdout: () => stdout, stderr: () => stderr };
  return { ...follow(streams, ended, (signal: NodeJS.Signals) => child.kill(signal)), pid: child.pid };
}

type Streams = Pick<Running, "stdin" | "stdout" | "stderr">;

function follow<S>(streams: Streams, ended: Promise<number | null>, send: (signal: S | "SIGTERM") => void) {
  let hasEnded = false;
  const note = (): void => {
    hasEnded = true;
  };
  ended.then(note, note);
  return {
    ...streams,
    ended,
    hasEnded: () => hasEnded,
    until: async (holds: () => boolean | Promise<boolean>) => {
      while (!(await holds())) {
        if (hasEnded) throw new Error(`it ended with ${await ended}: ${streams.stderr()}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: (signal: S | "SIGTERM" = "SIGTERM") => {
      if (!hasEnded) send(signal);
      return ended;
    },
  };
}

async function resultOf({ stdin, stdout, stderr, ended }: Streams & Pick<Running, "ended">): Promise<CliResult> {
  stdin.end();
  return { code: await ended, stdout: stdout(), stderr: stderr() };
}

function createSink(columns: number | undefined): Output & { readonly text: () => string } {
  const chunks: Buffer[] = [];
  const stream = new Writable({
    write: (chunk: Buffer, _encoding, done) => {
      chunks.push(chunk);
      done();
    },
  });
  const terminal = columns === undefined ? {} : { isTTY: true, columns };
  return Object.assign(stream, { ...terminal, text: () => Buffer.concat(chunks).toString() });
}

const atHome = process.cwd();
let away = 0;

/** A process has one working folder, so runs in different folders must not overlap. */
async function inFolder<T>(folder: string | undefined, work: () => Promise<T>): Promise<T> {
  if (folder === undefined) return work();
  if (away > 0 && process.cwd() !== realpathSync(folder)) {
    throw new Error("Two commands that run in different folders overlap: use spawnCli.");
  }
  away += 1;
  process.chdir(folder);
  try {
    return await work();
  } finally {
    away -= 1;
    if (away === 0) process.chdir(atHome);
  }
}

/** Runs `body` with a new folder, which is removed afterwards. */
export async function withFolder<T>(body: (folder: string) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), "tributary-"));
  try {
    return await body(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

import { type ChildProcess, spawn } from "node:child_process";
import { EventEmitter } from "node:events";
import { realpathSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable, Writable } from "node:stream";
import { commands } from "../../scripts/commands.ts";
import type { Output } from "../../src/cli/process/surroundings.ts";
import { run } from "../../src/cli/program.ts";

const root = join(import.meta.dirname, "..", "..");
const program = join(root, "scripts", "tributary.ts");

export const TEST_MNEMONIC = "test test test test test test test test test test test junk";

export type CliResult = {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
};

type CliOptions = {
  readonly env?: Readonly<Record<string, string>>;
  readonly cwd?: string;
  /** Options of Node itself, before the program. */
  readonly nodeOptions?: readonly string[];
};

type RunOptions = Pick<CliOptions, "env" | "cwd"> & {
  /** What stdout and stderr are as wide as, where they are to be a terminal. */
  readonly columns?: number;
};

/** Runs `tributary …args` in this process, without its keys and settings, and waits for its end. */
export async function runCli(args: readonly string[], { env = {}, cwd, columns }: RunOptions = {}): Promise<CliResult> {
  const [stdout, stderr] = [createSink(columns), createSink(columns)];
  const around = {
    stdin: Readable.from([]),
    stdout,
    stderr,
    env: columns === undefined ? env : { TERM: "xterm-256color", ...env },
    signals: new EventEmitter(),
  };
  const code = await inFolder(cwd, () => run(args, commands, around));
  return { code, signal: null, stdout: stdout.text(), stderr: stderr.text() };
}

/** Runs `tributary …args` in a process of its own: for what only a process shows, its Node, memory or lock for example. */
export function spawnCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return collect(startCli(args, options));
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

/** A process has one folder, so runs that need one of their own must not overlap with runs in another. */
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

/** Runs a TypeScript module given as text, with the project's root as its folder. */
export function runModule(source: string, options: CliOptions = {}): Promise<CliResult> {
  return collect(
    spawn(process.execPath, [...(options.nodeOptions ?? []), "--input-type=module-typescript", "--eval", source], {
      cwd: root,
      env: cleanEnvironment(options.env),
      stdio: ["ignore", "pipe", "pipe"],
    }),
  );
}

export type LocalProcess = {
  /** What `--json` printed. */
  readonly summary: {
    readonly rpcUrl: string;
    readonly webSocketUrl: string;
    readonly chainId: number;
    readonly usdc: string;
    readonly router: string | null;
    readonly multicall3: string;
    readonly createX: string | null;
    readonly accounts: readonly { readonly address: string; readonly privateKey: string }[];
  };
  /** Everything that it printed on stdout so far. */
  readonly stdout: () => string;
  /** Sends a signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<CliResult>;
};

/** Starts `tributary local --port 0 --json …args` and waits until it is ready. */
export async function startLocal(args: readonly string[] = ["--block-time", "0"]): Promise<LocalProcess> {
  const child = startCli(["local", "--port", "0", "--json", ...args], {});
  let text = "";
  const ended = collect(child);
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout?.on("data", (chunk: Buffer) => {
      text += chunk.toString();
      if (text.includes("\n")) resolve(text.slice(0, text.indexOf("\n")));
    });
    void ended.then((result) => reject(new Error(`local ended: ${result.stderr}`)));
  });
  return {
    summary: JSON.parse(line),
    stdout: () => text,
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
  };
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

function startCli(args: readonly string[], { env, cwd, nodeOptions = [] }: CliOptions): ChildProcess {
  return spawn(process.execPath, [...nodeOptions, program, ...args], {
    cwd: cwd ?? root,
    env: cleanEnvironment(env),
    stdio: ["ignore", "pipe", "pipe"],
  });
}

/** The environment of a command that is tested: none of this process's keys and settings. */
export function cleanEnvironment(env: Readonly<Record<string, string>> = {}): Record<string, string> {
  // Starting a command takes half as long with compiled code at hand; the test runner names the folder.
  const { PATH = "", NODE_COMPILE_CACHE } = process.env;
  return { PATH, ...(NODE_COMPILE_CACHE === undefined ? {} : { NODE_COMPILE_CACHE }), ...env };
}

async function collect(child: ChildProcess): Promise<CliResult> {
  let stdout = "";
  let stderr = "";
  child.stdout?.on("data", (chunk: Buffer) => {
    stdout += chunk.toString();
  });
  child.stderr?.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}

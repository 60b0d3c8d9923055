import { type ChildProcess, spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

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

/** Runs `tributary …args` in a process of its own, without this one's keys and settings, and waits for its end. */
export function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  return collect(spawnCli(args, options));
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
  const child = spawnCli(["local", "--port", "0", "--json", ...args], {});
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

function spawnCli(args: readonly string[], { env, cwd, nodeOptions = [] }: CliOptions): ChildProcess {
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

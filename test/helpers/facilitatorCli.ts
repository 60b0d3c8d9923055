import { spawn } from "node:child_process";
import { join } from "node:path";
import { cleanEnvironment } from "./cli.ts";

const root = join(import.meta.dirname, "..", "..");

export type FacilitatorProcess = {
  /** What `--json` printed. */
  readonly summary: Record<string, unknown> & { readonly url: string };
  readonly stderr: () => string;
  /** Resolves with the exit code when it ends by itself. */
  readonly ended: Promise<number | null>;
  /** Sends a signal and waits for the end. */
  readonly stop: (signal?: NodeJS.Signals) => Promise<number | null>;
};

/**
 * Starts `tributary facilitator --port 0 --json …args` in a process of its own and waits until it listens. Its journal is in
 * memory where neither `env` nor a folder of its own (`cwd`) says otherwise.
 */
export async function startFacilitatorCli(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  cwd?: string,
): Promise<FacilitatorProcess> {
  const program = join(root, "scripts", "tributary.ts");
  const child = spawn(process.execPath, [program, "facilitator", "--port", "0", "--json", ...args], {
    cwd: cwd ?? root,
    env: cleanEnvironment({ ...(cwd === undefined ? { DATABASE_URL: ":memory:" } : {}), ...env }),
    stdio: ["ignore", "pipe", "pipe"],
  });
  let stderr = "";
  let stdout = "";
  child.stderr.on("data", (chunk: Buffer) => {
    stderr += chunk.toString();
  });
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const line = await new Promise<string>((resolve, reject) => {
    child.stdout.on("data", (chunk: Buffer) => {
      stdout += chunk.toString();
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    void ended.then(() => reject(new Error(`the facilitator ended: ${stderr}`)));
  });
  return {
    summary: JSON.parse(line),
    stderr: () => stderr,
    ended,
    stop: (signal = "SIGTERM") => {
      child.kill(signal);
      return ended;
    },
  };
}

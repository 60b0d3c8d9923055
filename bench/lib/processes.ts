import { type ChildProcess, fork } from "node:child_process";
import { z } from "zod";

export type Usage = {
  readonly cpuSeconds: number;
  readonly rssMiB: number;
  /** The most memory that it ever had. */
  readonly mostRssMiB: number;
  readonly loopDelayMs: { readonly p50: number; readonly p99: number; readonly max: number };
};

export type Measured = {
  /** The first line that it printed. */
  readonly firstLine: () => Promise<string>;
  /** Counts processor time and the lateness of the event loop from now on. */
  readonly begin: () => Promise<void>;
  readonly usage: () => Promise<Usage>;
  /** Memory that it still holds: the heap after a collection, in MiB. */
  readonly liveMiB: () => Promise<number>;
  /** Everything that it printed, once it has ended. */
  readonly ended: () => Promise<{ readonly code: number | null; readonly stdout: string; readonly stderr: string }>;
  readonly stop: () => Promise<void>;
};

const usageMessage = z.object({
  probe: z.literal("usage"),
  usage: z.object({
    cpuSeconds: z.number(),
    rssMiB: z.number(),
    mostRssMiB: z.number(),
    loopDelayMs: z.object({ p50: z.number(), p99: z.number(), max: z.number() }),
  }),
});
const collectedMessage = z.object({ probe: z.literal("collected"), liveMiB: z.number() });
const begunMessage = z.object({ probe: z.literal("begun") });

const root = new URL("../../", import.meta.url);
const probe = new URL("probe.ts", import.meta.url).href;
const STOP_MS = 5_000;

/** Starts a program of this repository in its own process, with the probe in it. It ends with this process. */
export function startMeasured(
  program: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Measured {
  const child = fork(new URL(program, root).pathname, args, {
    cwd: root.pathname,
    env: { PATH: process.env.PATH ?? "", HOME: process.env.HOME ?? "", ...env },
    execArgv: ["--import", probe],
    stdio: ["ignore", "pipe", "pipe", "ipc"],
  });
  let stdout = "";
  let stderr = "";
  const closed = new Promise<number | null>((resolve) => child.once("close", resolve));
  const firstLine = new Promise<string>((resolve, reject) => {
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      stdout += text;
      if (stdout.includes("\n")) resolve(stdout.slice(0, stdout.indexOf("\n")));
    });
    void closed.then(() => reject(new Error(`${program} ended: ${stderr}`)));
  });
  firstLine.catch(() => undefined);
  child.stderr?.setEncoding("utf8").on("data", (text: string) => {
    // Only the last error is of interest.
    stderr = (stderr + text).slice(-4_000);
  });
  return {
    firstLine: () => firstLine,
    begin: async () => {
      await asked(child, "probe: begin", begunMessage);
    },
    usage: async () => (await asked(child, "probe: read", usageMessage)).usage,
    liveMiB: async () => (await asked(child, "probe: collect", collectedMessage)).liveMiB,
    ended: async () => ({ code: await closed, stdout, stderr }),
    stop: async () => {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
      await closed;
      clearTimeout(timer);
    },
  };
}

function asked<T>(child: ChildProcess, question: string, answer: z.ZodType<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const listen = (message: unknown): void => {
      const read = answer.safeParse(message);
      if (!read.success) return;
      child.off("message", listen).off("close", fail);
      resolve(read.data);
    };
    child.on("message", listen);
    const fail = () => reject(new Error("the process that is measured ended"));
    child.once("close", fail);
    if (child.connected) child.send(question, (error) => error !== null && fail());
    else fail();
  });
}

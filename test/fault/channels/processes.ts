import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { KeeperAlert } from "../../../src/keeper/index.ts";
import { type FromProcess, type Life, processFile } from "./process.ts";

/** A server or keeper at work. */
export type Living = {
  /** The server's URL; empty for a keeper. */
  readonly url: string;
  readonly kill: () => void;
  /** Resolves when it was killed, by itself or from here; rejects if it ended in any other way. */
  readonly ended: Promise<void>;
};

export type ProcessPool = {
  /** Gives a life to a waiting process. Undefined if it was killed before it was ready. */
  readonly start: (life: Life) => Promise<Living | undefined>;
  /** What the keepers of all lives said. */
  readonly alerts: readonly KeeperAlert[];
  /** Kills all that are left, and waits until they have ended. */
  readonly close: () => Promise<void>;
};

type Waiting = { readonly child: ChildProcess; readonly ready: Promise<void> };

/** Keeps `spare` processes that have loaded everything and wait, so that a restart takes no time. */
export function openProcessPool(spare: number): ProcessPool {
  const idle: Waiting[] = [];
  const all = new Map<ChildProcess, Promise<void>>();
  const alerts: KeeperAlert[] = [];
  let isClosed = false;
  // Compiling the sources takes half of a start, so the result is kept between processes.
  const cache = fileURLToPath(new URL("../../../node_modules/.cache/tributary-fault", import.meta.url));

  function breed(): Waiting {
    const child = fork(processFile, {
      execArgv: [],
      // Messages contain bigints.
      serialization: "advanced",
      env: { ...process.env, NODE_OPTIONS: "", NODE_COMPILE_CACHE: cache },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    all.set(child, new Promise<void>((resolve) => child.once("exit", () => resolve())));
    const ready = new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code) => reject(new Error(`a process did not start (${code})`)));
    });
    ready.catch(() => undefined);
    return { child, ready };
  }

  function refill(): void {
    while (!isClosed && idle.length < spare) idle.push(breed());
  }

  refill();
  return {
    alerts,
    start: async (life) => {
      if (isClosed) throw new Error("the pool is closed");
      const { child, ready } = idle.shift() ?? breed();
      refill();
      await ready;
      const ended = new Promise<void>((resolve, reject) => {
        child.on("message", (message: FromProcess) => {
          if (message.kind === "alert") alerts.push(message.alert);
          if (message.kind === "failed") reject(new Error(`the ${life.role} failed: ${message.error}`));
        });
        child.once("exit", (code, signal) => {
          if (signal === "SIGKILL") resolve();
          else reject(new Error(`the ${life.role} ended with ${code ?? signal}`));
        });
      });
      ended.catch(() => undefined);
      const living = new Promise<string>((resolve) => {
        child.on("message", (message: FromProcess) => {
          if (message.kind === "living") resolve(message.url);
        });
      });
      child.send(life);
      const url = await Promise.race([living, ended.then(() => undefined)]);
      return url === undefined ? undefined : { url, kill: () => child.kill("SIGKILL"), ended };
    },
    close: async () => {
      isClosed = true;
      for (const child of all.keys()) child.kill("SIGKILL");
      await Promise.all(all.values());
    },
  };
}

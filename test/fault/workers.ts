import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import type { AdmissionSeen, FromWorker, Life, ToWorker } from "./protocol.ts";

/** How a life ended. */
export type LifeEnd =
  | { readonly kind: "done"; readonly admissions: readonly AdmissionSeen[] }
  | { readonly kind: "killed" }
  | { readonly kind: "failed"; readonly error: string };

export type RunningLife = {
  /** SIGKILL, now. */
  readonly kill: () => void;
  readonly pid: number | undefined;
  /** Whether its engine sent in step with the blocks when it last heard the time. */
  readonly isInStep: () => boolean;
  /** How many preconfirmations were taken back from its engine until then. */
  readonly takenBack: () => number;
  /** Tells the run's time; resolves when the process has heard it, or has ended. */
  readonly tell: (elapsedMs: number, mayEnd: boolean) => Promise<void>;
  readonly ended: Promise<LifeEnd>;
};

export type WorkerPool = {
  /** Resolves when a process waits, so that a run's time does not pass while one starts. */
  readonly ready: () => Promise<void>;
  /** Starts an engine in a process that waits for one. */
  readonly start: (life: Life, onSuccess?: (paymentId: number) => void) => Promise<RunningLife>;
  readonly close: () => void;
};

type Waiting = { readonly child: ChildProcess; readonly ready: Promise<void> };

/** Keeps `spare` processes that have loaded everything and wait, so that a restart takes no time. */
export function createWorkerPool(spare: number): WorkerPool {
  const idle: Waiting[] = [];
  const all = new Set<ChildProcess>();
  let closed = false;
  // Compiling the sources takes half of a start, so the result is kept between processes.
  const cache = fileURLToPath(new URL("../../node_modules/.cache/tributary-fault", import.meta.url));

  function breed(): Waiting {
    const child = fork(new URL("./worker.ts", import.meta.url), {
      execArgv: [],
      // Messages contain bigints.
      serialization: "advanced",
      env: { ...process.env, NODE_OPTIONS: "", NODE_COMPILE_CACHE: cache },
      stdio: ["ignore", "inherit", "inherit", "ipc"],
    });
    all.add(child);
    const ready = new Promise<void>((resolve, reject) => {
      child.once("message", () => resolve());
      child.once("exit", (code) => {
        all.delete(child);
        // It had no task yet; its stderr says why it ended.
        reject(new Error(`an engine's process did not start (${code})`));
      });
    });
    ready.catch(() => undefined);
    return { child, ready };
  }

  function refill(): void {
    while (!closed && idle.length < spare) idle.push(breed());
  }

  refill();
  return {
    ready: async () => {
      refill();
      await Promise.all(idle.map((waiting) => waiting.ready));
    },
    start: async (life, onSuccess) => {
      let waiting = idle.shift() ?? breed();
      // It was killed a moment ago, and its end was not noticed yet.
      while (!waiting.child.connected) waiting = idle.shift() ?? breed();
      refill();
      await waiting.ready;
      const { child } = waiting;
      let heard: () => void = () => undefined;
      let [isInStep, takenBack] = [false, 0];
      const say = (message: ToWorker): void => {
        // It may be dead already without anybody knowing.
        child.send(message, () => undefined);
      };
      const ended = new Promise<LifeEnd>((resolve) => {
        let dying = false;
        child.on("message", (message: FromWorker) => {
          if (message.kind === "dying") dying = true;
          if (message.kind === "heard") {
            ({ isInStep, takenBack } = message);
            heard();
          }
          if (message.kind === "success") onSuccess?.(message.paymentId);
          if (message.kind !== "done" && message.kind !== "failed") return;
          child.removeAllListeners("message").removeAllListeners("exit");
          if (message.kind === "done" && !closed) {
            const again: Waiting = { child, ready: Promise.resolve() };
            idle.unshift(again);
            child.once("exit", () => {
              all.delete(child);
              if (idle.includes(again)) idle.splice(idle.indexOf(again), 1);
            });
          } else child.kill("SIGKILL");
          resolve(message);
        });
        child.once("exit", (code, signal) => {
          all.delete(child);
          const wanted = dying || signal === "SIGKILL";
          resolve(wanted ? { kind: "killed" } : { kind: "failed", error: `the process ended: ${code ?? signal}` });
        });
      });
      say({ kind: "live", life });
      const tell = async (elapsedMs: number, mayEnd: boolean): Promise<void> => {
        const answer = new Promise<void>((resolve) => {
          heard = resolve;
        });
        say({ kind: "time", elapsedMs, mayEnd });
        await Promise.race([answer, ended]);
      };
      return {
        kill: () => child.kill("SIGKILL"),
        pid: child.pid,
        isInStep: () => isInStep,
        takenBack: () => takenBack,
        tell,
        ended,
      };
    },
    close: () => {
      closed = true;
      for (const child of all) child.kill("SIGKILL");
    },
  };
}

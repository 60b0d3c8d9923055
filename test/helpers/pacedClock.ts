import type { Clock } from "../../src/clock.ts";

const STEP_MS = 10;

export type PacedClock = Clock & {
  /** Lets so much time pass at once. */
  readonly jump: (ms: number) => void;
  readonly stop: () => void;
};

/**
 * A clock that is never faster than the machine. Its time goes on in steps of a few milliseconds, and each waits for `pace`,
 * such as an answer of the node: where the machine is slow or busy, an engine's time is slow too, and what it does within
 * its intervals stays the same. On an idle machine it keeps to the wall.
 */
export function startPacedClock(pace: () => Promise<unknown>): PacedClock {
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  let nowMs = Date.now();
  let isStopped = false;

  async function run(): Promise<void> {
    while (!isStopped) {
      const began = performance.now();
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      await pace().catch(() => undefined);
      nowMs += Math.min(Math.round(performance.now() - began), 2 * STEP_MS);
      for (const sleeper of sleepers) if (sleeper.atMs <= nowMs) sleeper.wake();
    }
    for (const { wake } of sleepers) wake();
  }
  void run();

  return {
    now: () => nowMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (isStopped || signal?.aborted === true) return resolve();
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper = { atMs: nowMs + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake, { once: true });
      }),
    jump: (ms) => {
      nowMs += ms;
    },
    stop: () => {
      isStopped = true;
    },
  };
}

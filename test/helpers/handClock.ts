import type { Clock } from "../../src/clock.ts";

/** A clock that moves only when it is set. */
export type HandClock = Clock & {
  /** Sets the time, which never goes back, and wakes whoever slept until then. */
  readonly set: (nowMs: number) => void;
  /** Wakes everybody, whatever they waited for, and lets nobody sleep again. */
  readonly stop: () => void;
};

export function createHandClock(startMs: number): HandClock {
  const sleepers = new Set<{ readonly atMs: number; readonly wake: () => void }>();
  let currentMs = startMs;
  let isStopped = false;
  return {
    now: () => currentMs,
    sleep: (ms, signal) =>
      new Promise((resolve) => {
        if (isStopped || signal?.aborted === true) return resolve();
        const wake = (): void => {
          sleepers.delete(sleeper);
          signal?.removeEventListener("abort", wake);
          resolve();
        };
        const sleeper = { atMs: currentMs + ms, wake };
        sleepers.add(sleeper);
        signal?.addEventListener("abort", wake, { once: true });
      }),
    set: (nowMs) => {
      currentMs = Math.max(currentMs, nowMs);
      for (const { atMs, wake } of sleepers) if (atMs <= currentMs) wake();
    },
    stop: () => {
      isStopped = true;
      for (const { wake } of sleepers) wake();
    },
  };
}

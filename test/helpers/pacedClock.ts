import type { Clock } from "../../src/clock.ts";
import { createHandClock } from "./handClock.ts";

const STEP_MS = 10;

export type PacedClock = Clock & {
  /** Lets this much time pass at once. */
  readonly jump: (ms: number) => void;
  readonly stop: () => void;
};

/**
 * A clock that is never faster than the machine. Its time moves in steps of a few milliseconds, and each waits for `pace`,
 * such as an answer of the node. If the machine is slow or busy, an engine's time is slow too, and what it does within
 * its intervals stays the same. On an idle machine it keeps to the wall, or is `speed` times as fast.
 */
export function startPacedClock(
  pace: () => Promise<unknown>,
  { startMs = Date.now(), speed = 1 }: { readonly startMs?: number; readonly speed?: number } = {},
): PacedClock {
  const clock = createHandClock(startMs);
  let isStopped = false;

  async function run(): Promise<void> {
    while (!isStopped) {
      const began = performance.now();
      await new Promise((resolve) => setTimeout(resolve, STEP_MS));
      await pace().catch(() => undefined);
      clock.set(clock.now() + Math.round(Math.min(performance.now() - began, 2 * STEP_MS) * speed));
    }
    clock.stop();
  }
  void run();

  return {
    now: clock.now,
    sleep: clock.sleep,
    jump: (ms) => clock.set(clock.now() + ms),
    stop: () => {
      isStopped = true;
    },
  };
}

import { setTimeout as delay } from "node:timers/promises";
import type { Clock } from "../../src/clock.ts";

/** How much faster than the wall a run's time goes: a block of two seconds takes 80 ms. */
export const SPEED = 25;
/** Unix seconds at which the chain of every run begins, so that a seed's signatures are always the same. */
export const GENESIS_SECONDS = 1_900_000_000;

/** A run's time in milliseconds since it began, by the wall clock. */
export function elapsedMs(startedAtMs: number): number {
  return (Date.now() - startedAtMs) * SPEED;
}

/** The engine's clock of a run: as fast as the run, and off by `skewMs` from what the chain goes by. */
export function engineClock(startedAtMs: number, skewMs: number): Clock {
  return {
    now: () => Math.floor(GENESIS_SECONDS * 1000 + elapsedMs(startedAtMs) + skewMs),
    sleep: (ms, signal) =>
      delay(Math.max(ms / SPEED, 5), undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
  };
}

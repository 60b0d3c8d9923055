import { setTimeout as delay } from "node:timers/promises";

/** Time as the engine sees it, in milliseconds of Unix time. */
export type Clock = {
  /** Milliseconds of Unix time. */
  readonly now: () => number;
  /**
   * Milliseconds since an arbitrary moment. They only go forward, because nobody sets this clock. Leases are measured
   * by it. Defaults to `now`.
   */
  readonly elapsed?: () => number;
  /** Resolves after `ms`, or when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};

export const systemClock: Clock = {
  now: Date.now,
  elapsed: () => performance.now(),
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
};

/** Unix seconds. */
export function secondsNow(clock: Pick<Clock, "now">): bigint {
  return BigInt(Math.floor(clock.now() / 1000));
}

/** A reading of the clock that nobody sets. Compare it only with another reading of the same process. */
export function elapsedMs(clock: Clock): number {
  return clock.elapsed?.() ?? clock.now();
}

/** A signal that aborts after `ms` of the clock's time, unless it is cleared first. */
export function alarm(clock: Clock, ms: number): { readonly signal: AbortSignal; readonly clear: () => void } {
  const [ringing, cleared] = [new AbortController(), new AbortController()];
  void clock.sleep(ms, cleared.signal).then(() => {
    if (!cleared.signal.aborted) ringing.abort();
  });
  return { signal: ringing.signal, clear: () => cleared.abort() };
}

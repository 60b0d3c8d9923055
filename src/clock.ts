import { setTimeout as delay } from "node:timers/promises";

/** Time as the engine sees it, in milliseconds of Unix time. */
export type Clock = {
  readonly now: () => number;
  /** Resolves after `ms`, or when the signal aborts. */
  readonly sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
};

export const systemClock: Clock = {
  now: Date.now,
  sleep: (ms, signal) => delay(ms, undefined, signal === undefined ? {} : { signal }).catch(() => undefined),
};

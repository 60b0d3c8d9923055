import { type Clock, elapsedMs } from "../../clock.ts";

/** How long an answer is good for, and how long one is waited for. */
export type SharedBounds = { readonly everyMs: number; readonly withinMs: number };

/**
 * One look at something that many ask about: whoever asks while it is under way shares it, and its answer is good for `everyMs`.
 * Nobody waits longer than `withinMs` for it; then, and until it ends, the answer is `late`.
 */
export function sharedLook<T>(clock: Clock, bounds: SharedBounds, late: T, look: () => Promise<T>): () => Promise<T> {
  let last: { readonly answer: T; readonly atMs: number } | undefined;
  let underWay: { readonly answer: Promise<T>; readonly sinceMs: number } | undefined;

  function begin(): { readonly answer: Promise<T>; readonly sinceMs: number } {
    const answer = look().finally(() => {
      underWay = undefined;
    });
    // Somebody may be listening no more when it fails.
    answer.catch(() => undefined);
    void answer.then((value) => {
      last = { answer: value, atMs: elapsedMs(clock) };
    }, noop);
    return { answer, sinceMs: elapsedMs(clock) };
  }

  return async () => {
    if (last !== undefined && elapsedMs(clock) - last.atMs < bounds.everyMs) return last.answer;
    underWay ??= begin();
    const leftMs = underWay.sinceMs + bounds.withinMs - elapsedMs(clock);
    if (leftMs <= 0) return late;
    const done = new AbortController();
    const { answer } = underWay;
    const timeout = clock.sleep(leftMs, done.signal).then(() => late);
    return Promise.race([answer, timeout]).finally(() => done.abort());
  };
}

const noop = (): void => undefined;

import { type Clock, elapsedMs } from "../../clock.ts";

/** How long an answer stays good, and how long a caller waits for one. */
export type SharedBounds = { readonly everyMs: number; readonly withinMs: number };

/**
 * One look at something that many ask about. Callers who ask while it is under way share it, and its answer stays good for
 * `everyMs`. Nobody waits longer than `withinMs`; after that, and until the look ends, the answer is `late`.
 */
export function sharedLook<T>(clock: Clock, bounds: SharedBounds, late: T, look: () => Promise<T>): () => Promise<T> {
  let last: { readonly answer: T; readonly atMs: number } | undefined;
  let underWay: { readonly answer: Promise<T>; readonly sinceMs: number } | undefined;

  function begin(): { readonly answer: Promise<T>; readonly sinceMs: number } {
    const answer = look().finally(() => {
      underWay = undefined;
    });
    // It may fail when nobody listens any more.
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

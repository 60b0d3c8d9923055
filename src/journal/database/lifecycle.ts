import { closedError } from "../ports/errors.ts";

export type Lifecycle = {
  /** Runs work unless the lifecycle is closed. */
  readonly track: <T>(work: () => Promise<T>) => Promise<T>;
  /** Waits for all running work, then runs `finish`, once. No work begins after this call. */
  readonly close: (finish: () => Promise<void>) => Promise<void>;
};

export function createLifecycle(): Lifecycle {
  const underWay = new Set<Promise<unknown>>();
  let closing: Promise<void> | undefined;
  return {
    track: async (work) => {
      if (closing !== undefined) throw closedError();
      const promise = work();
      underWay.add(promise);
      try {
        return await promise;
      } finally {
        underWay.delete(promise);
      }
    },
    close: (finish) => {
      closing ??= Promise.allSettled(underWay).then(finish);
      return closing;
    },
  };
}

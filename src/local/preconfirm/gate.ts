import { mutex } from "../../async/mutex.ts";

/** Lets many pieces of work run side by side, and one alone when it asks for that. */
export type Gate = {
  /** Runs `work` beside others, once nothing runs alone. */
  readonly shared: <T>(work: () => Promise<T>) => Promise<T>;
  /** Runs `work` when all that began before it is done; what comes later waits for its end. */
  readonly alone: <T>(work: () => Promise<T>) => Promise<T>;
};

export function createGate(): Gate {
  const oneByOne = mutex();
  const inside = new Set<Promise<unknown>>();
  let closed: Promise<void> | undefined;

  async function shared<T>(work: () => Promise<T>): Promise<T> {
    while (closed !== undefined) await closed;
    const running = work();
    inside.add(running);
    try {
      return await running;
    } finally {
      inside.delete(running);
    }
  }

  const alone = <T>(work: () => Promise<T>): Promise<T> =>
    oneByOne(async () => {
      let open = (): void => undefined;
      closed = new Promise((resolve) => {
        open = resolve;
      });
      try {
        await Promise.allSettled(inside);
        return await work();
      } finally {
        closed = undefined;
        open();
      }
    });

  return { shared, alone };
}

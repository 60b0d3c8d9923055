/** Bounds how many requests are worked on at once. The others wait; the pressing ones go first. */
export type Slots = {
  /**
   * Waits for a slot and takes it. It resolves with a function that gives the slot back, once.
   * @throws The signal's reason if the signal aborts before.
   */
  readonly take: (isPressing: boolean, signal?: AbortSignal) => Promise<() => void>;
};

export function createSlots(most: number): Slots {
  const pressing = new Set<() => void>();
  const others = new Set<() => void>();
  let taken = 0;

  function backOnce(): () => void {
    let isBack = false;
    return () => {
      if (isBack) return;
      isBack = true;
      const queue = pressing.size > 0 ? pressing : others;
      const [next] = queue;
      if (next === undefined) {
        taken -= 1;
        return;
      }
      // Handed on directly, so that a newcomer cannot take it.
      queue.delete(next);
      next();
    };
  }

  return {
    take: async (isPressing, signal) => {
      signal?.throwIfAborted();
      if (taken < most) {
        taken += 1;
        return backOnce();
      }
      const queue = isPressing ? pressing : others;
      await new Promise<void>((resolve, reject) => {
        const next = (): void => {
          signal?.removeEventListener("abort", leave);
          resolve();
        };
        const leave = (): void => {
          queue.delete(next);
          reject(signal?.reason);
        };
        queue.add(next);
        signal?.addEventListener("abort", leave, { once: true });
      });
      return backOnce();
    },
  };
}

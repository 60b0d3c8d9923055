/** Runs `work` on each item, at most `most` at once, so that a large file does not open a thousand requests. */
export async function eachAtOnce<T>(
  items: readonly T[],
  most: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  // The workers share one iterator: each takes the next item when it is done with its last.
  const queue = items[Symbol.iterator]();
  await Promise.all(
    Array.from({ length: Math.min(most, items.length) }, async () => {
      for (const item of queue) await work(item);
    }),
  );
}

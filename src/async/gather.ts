/** How one of several gathered requests ended. */
export type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/**
 * Group commit: requests that arrive in one tick, or while a run is under way, go into the next run together. `run` must
 * answer each one, in order. `weight` and `most` bound a run.
 */
export function gather<I, O>(
  run: (items: readonly I[]) => Promise<readonly Settled<O>[]>,
  most: number,
  weight: (item: I) => number = () => 1,
): (item: I) => Promise<O> {
  type Waiting = {
    readonly item: I;
    readonly resolve: (value: O) => void;
    readonly reject: (error: unknown) => void;
  };
  let waiting: Waiting[] = [];
  let running = false;

  function take(): Waiting[] {
    let total = 0;
    const end = waiting.findIndex(({ item }, index) => {
      total += weight(item);
      return index > 0 && total > most;
    });
    const taken = end < 0 ? waiting : waiting.slice(0, end);
    waiting = waiting.slice(taken.length);
    return taken;
  }

  async function work(): Promise<void> {
    while (waiting.length > 0) {
      const group = take();
      let answers: readonly Settled<O>[];
      try {
        answers = await run(group.map(({ item }) => item));
      } catch (error) {
        answers = group.map(() => ({ ok: false, error }));
      }
      for (const [index, { resolve, reject }] of group.entries()) {
        const answer = answers[index];
        if (answer?.ok) resolve(answer.value);
        else reject(answer?.error ?? new Error("a gathered request was not answered"));
      }
    }
    running = false;
  }

  return (item) =>
    new Promise((resolve, reject) => {
      waiting.push({ item, resolve, reject });
      if (running) return;
      running = true;
      queueMicrotask(work);
    });
}

/**
 * Runs all together; where that fails, one by one, so that no request fails for what another asked. Not where
 * `concernsAll` says that the error has nothing to do with what was asked.
 */
export async function togetherOrAlone<I, O>(
  items: readonly I[],
  run: (items: readonly I[]) => Promise<readonly O[]>,
  concernsAll: (error: unknown) => boolean,
): Promise<readonly Settled<O>[]> {
  try {
    return (await run(items)).map((value) => ({ ok: true, value }));
  } catch (error) {
    if (items.length === 1 || concernsAll(error)) return items.map(() => ({ ok: false, error }));
  }
  const settled: Settled<O>[] = [];
  for (const item of items) settled.push(...(await togetherOrAlone([item], run, concernsAll)));
  return settled;
}

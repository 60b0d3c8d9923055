/** How one of several gathered requests ended. */
export type Settled<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly error: unknown };

/**
 * Group commit: requests that arrive in one tick, or while a run is under way, share the next run. `run` must answer each of
 * them, in order.
 * @param most The most that a run takes. A request that is larger alone gets a run of its own.
 * @param options.weight How much of `most` a request takes, 1 by default.
 * @param options.pause Awaited before each run. `setImmediate` of node:timers/promises lets requests of one turn of the event
 * loop share a run, such as those that came over several sockets.
 */
export function gather<I, O>(
  run: (items: readonly I[]) => Promise<readonly Settled<O>[]>,
  most: number,
  options: { readonly weight?: (item: I) => number; readonly pause?: () => Promise<void> } = {},
): (item: I) => Promise<O> {
  const { weight = () => 1, pause = () => Promise.resolve() } = options;
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
    running = true;
    while (waiting.length > 0) {
      await pause();
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
      if (!running) void work();
    });
}

/** Turns a promise into one that never rejects, so that one failed call does not fail the calls beside it. */
export function settled<T>(answer: Promise<T>): Promise<Settled<T>> {
  return answer.then(
    (value) => ({ ok: true, value }),
    (error: unknown) => ({ ok: false, error }),
  );
}

/**
 * Runs all items together. If that fails, it runs them one by one, so that no request fails because of another one. If
 * `concernsAll` says that the error has nothing to do with the requests, all of them fail with it.
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

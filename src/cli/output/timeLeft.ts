/** Older progress than this is ignored, so that an estimate follows the current speed. */
const WINDOW_MS = 30_000;
/** The time over which there must be progress before an estimate is given. */
const LEAST_MS = 5_000;
const LEAST_STEPS = 3;

/**
 * Estimates the seconds that work on `total` things still takes, from its recent speed. It gives no estimate until
 * there was progress for some seconds, nor while there is none: the first things wait for something else, such as a
 * block.
 */
export function createEstimate(total: number, nowMs: () => number): (done: number) => number | undefined {
  /** Every time at which there was progress. */
  let steps: { readonly atMs: number; readonly done: number }[] = [];
  let last = 0;

  return (done) => {
    const now = nowMs();
    if (done > last) {
      last = done;
      steps.push({ atMs: now, done });
    }
    steps = steps.filter(({ atMs }) => now - atMs <= WINDOW_MS);
    const [first] = steps;
    // What was done by the first step may have taken any time, so only what came after it counts.
    if (first === undefined || done >= total || steps.length < LEAST_STEPS || now - first.atMs < LEAST_MS)
      return undefined;
    return ((total - done) * (now - first.atMs)) / (done - first.done) / 1000;
  };
}

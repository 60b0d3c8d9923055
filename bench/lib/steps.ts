/** Each step is a tenth more than the one before. */
const FACTOR = 1.1;
/** How many steps the search jumps over as long as the answers are the same: half as much again. */
const STRIDE = 4;

/** The rate of a step, in whole payments a second. Steps are the same in every run, so that their rates can be compared. */
export function rateOf(step: number): number {
  return Math.max(1, Math.round(10 * FACTOR ** step));
}

/** The step whose rate is next to this one. */
export function stepNear(perSecond: number): number {
  return Math.round(Math.log(Math.max(1, perSecond) / 10) / Math.log(FACTOR));
}

/**
 * The highest step that passes, if all below one that passes do too: strides up or down from `first` until the answer
 * changes, then halves what is between. Undefined if not even a rate of one a second passes.
 */
export async function highestPassing(
  first: number,
  passes: (step: number) => Promise<boolean>,
): Promise<number | undefined> {
  const lowest = stepNear(1);
  let [passed, failed] = [-Infinity, Infinity];
  for (let step = first; failed - passed === Infinity; ) {
    if (await passes(step)) {
      passed = step;
      step += STRIDE;
    } else {
      failed = step;
      if (step === lowest) return undefined;
      step = Math.max(lowest, step - STRIDE);
    }
  }
  while (failed - passed > 1) {
    const middle = Math.floor((passed + failed) / 2);
    if (await passes(middle)) passed = middle;
    else failed = middle;
  }
  return passed;
}

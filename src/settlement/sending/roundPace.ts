/** What each payment adds to the time that a round takes. */
export type RoundPace = {
  /** What all payments but the first add. */
  readonly addedMs: (count: number) => number;
  /** How many payments a round can have, at least one, if those after the first may add this much. */
  readonly within: (ms: number) => number;
  /** A round with this many payments took so long. */
  readonly note: (count: number, tookMs: number) => void;
};

/** What a payment is supposed to add until it is known, and the bounds of what is believed. */
const FIRST_EACH_MS = 1.5;
const LEAST_EACH_MS = 0.05;
const MOST_EACH_MS = 4;
/** How much the rounds before count in each new one. */
const KEPT = 0.9;
/** Rounds that differ by fewer payments than this (as a standard deviation) say little about what a payment adds. */
const TELLING = 25;

/** Learns what a payment adds from rounds of different sizes: the slope of a line through the last ones. */
export function createRoundPace(): RoundPace {
  let eachMs = FIRST_EACH_MS;
  let weight = 0;
  let meanCount = 0;
  let meanMs = 0;
  /** Variance of the sizes, and their covariance with the times. */
  let variance = 0;
  let covariance = 0;
  const addedMs = (count: number): number => Math.max(0, count - 1) * eachMs;

  return {
    addedMs,
    within: (ms) => Math.max(1, 1 + Math.floor(ms / eachMs)),
    note: (count, tookMs) => {
      weight = weight * KEPT + 1;
      const part = 1 / weight;
      const off = count - meanCount;
      // A round that took much longer than expected was held up by something else.
      const expectedMs = meanMs + eachMs * off;
      const offMs = (weight === 1 ? tookMs : Math.min(tookMs, 2 * Math.max(expectedMs, meanMs))) - meanMs;
      meanCount += part * off;
      meanMs += part * offMs;
      variance = (1 - part) * (variance + part * off * off);
      covariance = (1 - part) * (covariance + part * off * offMs);
      // They never add more than the whole round took.
      const mostMs = count > TELLING ? Math.min(MOST_EACH_MS, tookMs / count) : MOST_EACH_MS;
      const slope = variance === 0 ? eachMs : Math.min(MOST_EACH_MS, Math.max(LEAST_EACH_MS, covariance / variance));
      // As long as all rounds are about as large, what was known before stands.
      eachMs = Math.max(
        LEAST_EACH_MS,
        Math.min(mostMs, eachMs + ((slope - eachMs) * variance) / (variance + TELLING ** 2)),
      );
    },
  };
}

/** A block as it was seen: its number, and when, in milliseconds of the clock. */
export type Sighting = { readonly number: bigint; readonly seenAtMs: number };

/** Learns from sightings when blocks come. */
export type Cadence = {
  /** Takes in a sighting. Blocks that are not newer than the newest so far are ignored. */
  readonly note: (sighting: Sighting) => void;
  /** Tells it the period that the blocks' headers show. One interval of about that length then suffices. */
  readonly suppose: (periodMs: number) => void;
  /** Time between blocks in milliseconds; undefined as long as they do not come regularly. */
  readonly periodMs: () => number | undefined;
  /** When a block is due that comes `blocks` after the newest; undefined as long as they do not come regularly. */
  readonly dueMs: (blocks: number) => number | undefined;
};

/** How much of the difference between a block's time and the expected one moves the next expectation, … */
const PHASE_GAIN = 0.4;
/** … and how much of it, for each block in between, moves the period. */
const PERIOD_GAIN = 0.1;
/** How much a single sighting weighs in the average of those differences. */
const ERROR_GAIN = 0.25;
/** Blocks come regularly if they are off by less than this part of the period on average. */
const REGULAR = 0.15;
/** The number of intervals that have to be seen first. */
const ENOUGH = 3;
/** Blocks that follow one another faster are made on demand, or come too fast to send for each of them. */
const SHORTEST_MS = 100;
const LONGEST_MS = 60_000;
/** After a gap of more blocks than this, learning starts over. */
const GAP = 4;
/**
 * A block that is off by more than this part of the period is an outlier. Learning starts over after two in a row, and
 * after one that came early: a block may be seen late, but never before it came.
 */
const OUTLIER = 0.5;

/**
 * Follows the rhythm of a chain as a phase-locked loop does: each block corrects the expectation of the next one by a
 * part of its difference. A single block that comes far too late corrects nothing. So neither a late answer nor a slow
 * drift makes the expectation wrong. The first period is the first interval.
 * @param supposedMs As for {@link Cadence.suppose}.
 */
export function createCadence(supposedMs?: number): Cadence {
  let newest: Sighting | undefined;
  let supposed = supposedMs;
  /** When the newest block should have been seen. */
  let expectedMs = 0;
  let period = 0;
  let intervals = 0;
  let error = 0;
  let wasOutlier = false;

  function note(sighting: Sighting): void {
    const last = newest;
    if (last !== undefined && sighting.number <= last.number) return;
    newest = sighting;
    if (last === undefined) {
      expectedMs = sighting.seenAtMs;
      return;
    }
    const blocks = Number(sighting.number - last.number);
    const interval = (sighting.seenAtMs - last.seenAtMs) / blocks;
    const off = sighting.seenAtMs - (expectedMs + blocks * period);
    const isOutlier = Math.abs(off) > OUTLIER * period;
    const isEarly = off < 0 && intervals >= ENOUGH;
    if (intervals === 0 || blocks > GAP || (isOutlier && (wasOutlier || isEarly))) {
      expectedMs = sighting.seenAtMs;
      period = interval;
      const isConfirmed = supposed !== undefined && Math.abs(interval - supposed) < REGULAR * supposed;
      intervals = blocks > GAP ? 0 : isConfirmed ? ENOUGH : 1;
      error = 0;
      wasOutlier = false;
      return;
    }
    wasOutlier = isOutlier;
    if (isOutlier) {
      expectedMs += blocks * period;
      error += ERROR_GAIN * (OUTLIER - error);
      return;
    }
    expectedMs = sighting.seenAtMs - off * (1 - PHASE_GAIN);
    // The first intervals weigh as much as all before them.
    period += (Math.max(PERIOD_GAIN, 1 / (intervals + 1)) * off) / blocks;
    error += ERROR_GAIN * (Math.abs(off) / period - error);
    intervals += 1;
  }

  function periodMs(): number | undefined {
    const isRegular = intervals >= ENOUGH && error < REGULAR;
    return isRegular && period >= SHORTEST_MS && period <= LONGEST_MS ? period : undefined;
  }

  return {
    note,
    suppose: (ms) => {
      supposed = ms;
    },
    periodMs,
    dueMs: (blocks) => (periodMs() === undefined ? undefined : expectedMs + blocks * period),
  };
}

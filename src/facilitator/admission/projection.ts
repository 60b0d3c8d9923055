import type { Clock } from "../../clock.ts";

/** How long an answer will take, projected from how long others took. */
export type Projection = {
  /** How many requests are inside: let in, and not answered yet. */
  readonly inside: () => number;
  /** Answers per second that this machine and its chain give when there is enough to do, as measured. */
  readonly perSecond: () => number;
  /** How long a request takes if almost nobody else is inside. On a chain, that is mostly the wait for a block. */
  readonly aloneMs: () => number;
  /** How long a request that came now would take. */
  readonly delayMs: () => number;
  /** Counts a request in. */
  readonly enter: () => Stay;
};

export type Stay = {
  /**
   * Counts the request out, once. Only a fully answered request is measured: one that was turned down early, or left, does not
   * show how long others take.
   */
  readonly end: (outcome: "answered" | "turned down" | "left") => void;
};

export type ProjectionOptions = {
  readonly clock: Clock;
  /** Assumptions until something is measured. */
  readonly assumed: { readonly perSecond: number; readonly aloneMs: number };
  /** A request that finds at least this delay measures the rate. With less, the machine just has little to do. */
  readonly busyMs: (aloneMs: number) => number;
};

/** A request counts as alone if at most this many are inside, itself included. */
const COMPANY = 8;
/** The weight of a new measurement of a lone request, and how many times longer than before it may be. */
const NEWS = 0.25;
const MOST_LONGER = 4;
/** The time over which answers are counted. A little less than that count is certain, because answers come in lumps. */
const COUNTED_MS = 8_000;
const CERTAIN = 0.9;
/** How fast measurements lose weight, in times of a lone request: answers come in lumps, one for each block. */
const MEMORY_IN_LONE_TIMES = 4;
const LEAST_MEMORY_MS = 8_000;
/** The weight of the assumed rate, in answers. */
const ASSUMED_ANSWERS = 50;
/** How many answers make a rate that may count as the best. */
const ENOUGH_ANSWERS = 100;
/** How fast a rate rises to the best one in calm times, and how fast the best one is forgotten in busy ones. */
const RECOVERY_MS = 60_000;
const BEST_KEPT_MS = 600_000;

/**
 * Projects delays by Little's law: the number inside, divided by the rate of answers, and never less than a lone request takes.
 * Half the time of a lone request comes on top, because answers come in lumps, one for each block.
 *
 * The rate is measured by requests that came in busy times, from how many each found inside and how long it took. An idle machine
 * measures nothing, so having little to do never makes it seem slow, and a rate that it has just reached counts. A rate that was
 * measured while something was wrong (such as a node that hung) moves back in calm times to the best rate. If nobody is answered
 * for longer than two lone requests take, the extra time counts as delay.
 */
export function createProjection({ clock, assumed, busyMs }: ProjectionOptions): Projection {
  let inside = 0;
  let aloneMs = assumed.aloneMs;
  let perMs = assumed.perSecond / 1000;
  /** The number of answers that the rate was measured by. Older ones count for less. */
  let weight = ASSUMED_ANSWERS;
  let measured = 0;
  let measuredAtMs = clock.now();
  let bestPerMs = perMs;
  let calmSinceMs = clock.now();
  /** Answers in the last `COUNTED_MS`; older ones count for less. */
  let counted = 0;
  let countedAtMs = clock.now();
  /** The time of the last answer, or at which the first of those inside came. */
  let heardAtMs = clock.now();

  const silenceMs = (): number => (inside === 0 ? 0 : Math.max(0, clock.now() - heardAtMs - 2 * aloneMs));
  const delayMs = (): number => Math.max(aloneMs, inside / perMs + aloneMs / 2) + silenceMs();

  function measure(foundInside: number, tookMs: number): void {
    const nowMs = clock.now();
    // Measurements do not age while nothing is measured.
    const passedMs = Math.min(Math.max(0, nowMs - measuredAtMs), LEAST_MEMORY_MS);
    const kept = Math.exp(-passedMs / Math.max(LEAST_MEMORY_MS, MEMORY_IN_LONE_TIMES * aloneMs));
    // At most twice the number inside: after bad times few are inside, and their measurements are the better ones.
    weight = Math.min(weight * kept, 2 * foundInside) + 1;
    const eachMs = tookMs / foundInside;
    perMs = 1 / (1 / perMs + (eachMs - 1 / perMs) / weight);
    measured += 1;
    measuredAtMs = nowMs;
    bestPerMs = measured < ENOUGH_ANSWERS ? perMs : Math.max(perMs, bestPerMs * Math.exp(-passedMs / BEST_KEPT_MS));
  }

  function count(): void {
    const nowMs = clock.now();
    counted = counted * Math.exp(-Math.max(0, nowMs - countedAtMs) / COUNTED_MS) + 1;
    countedAtMs = nowMs;
    perMs = Math.max(perMs, (CERTAIN * counted) / COUNTED_MS);
    bestPerMs = Math.max(bestPerMs, perMs);
  }

  /** Whether the facilitator is busy now. If it is not, the rate recovers for the calm time that has passed. */
  function isBusyNow(): boolean {
    const nowMs = clock.now();
    const isBusy = delayMs() >= busyMs(aloneMs);
    if (!isBusy) perMs = bestPerMs - (bestPerMs - perMs) * Math.exp(-Math.max(0, nowMs - calmSinceMs) / RECOVERY_MS);
    calmSinceMs = nowMs;
    return isBusy;
  }

  return {
    inside: () => inside,
    perSecond: () => perMs * 1000,
    aloneMs: () => aloneMs,
    delayMs,
    enter: () => {
      const cameAtMs = clock.now();
      if (inside === 0) heardAtMs = cameAtMs;
      const isBusy = isBusyNow();
      inside += 1;
      const foundInside = inside;
      // A request also measures if it takes as long as in busy times and at least half as many are inside.
      const isHalfBusy = foundInside >= (perMs * (busyMs(aloneMs) - aloneMs / 2)) / 2;
      let isOver = false;
      return {
        end: (outcome) => {
          if (isOver) return;
          isOver = true;
          inside -= 1;
          if (outcome === "left") return;
          heardAtMs = clock.now();
          if (outcome === "turned down") return;
          const tookMs = Math.max(1, heardAtMs - cameAtMs);
          if (isBusy || (isHalfBusy && tookMs >= busyMs(aloneMs))) measure(foundInside, tookMs);
          count();
          if (foundInside <= COMPANY) aloneMs += (Math.min(tookMs, MOST_LONGER * aloneMs) - aloneMs) * NEWS;
        },
      };
    },
  };
}

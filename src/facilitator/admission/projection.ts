import type { Clock } from "../../clock.ts";

/** How long an answer takes, as far as that can be told from how long others took. */
export type Projection = {
  /** Requests that are inside: let in, and not answered. */
  readonly inside: () => number;
  /** Answers a second that this machine and its chain give when there is enough to do, as measured. */
  readonly perSecond: () => number;
  /** What one takes that finds next to nobody inside: on a chain mostly the wait for a block. */
  readonly aloneMs: () => number;
  /** What one would take that came now. */
  readonly delayMs: () => number;
  /** Counts one in. */
  readonly enter: () => Stay;
};

export type Stay = {
  /**
   * Counts it out, once. Only what went its whole way is measured: what was turned down early says nothing about how long the
   * others take, and whoever left says nothing at all.
   */
  readonly end: (outcome: "answered" | "turned down" | "left") => void;
};

export type ProjectionOptions = {
  readonly clock: Clock;
  /** What is assumed before anything was measured. */
  readonly assumed: { readonly perSecond: number; readonly aloneMs: number };
  /** Who finds a delay of this much measures the rate. Where there is less, the machine merely has little to do. */
  readonly busyMs: (aloneMs: number) => number;
};

/** One that finds at most so many inside, itself included, counts as alone. */
const COMPANY = 8;
/** The part of what was thought of a lone one that a new measurement replaces, and how much longer it may say at once. */
const NEWS = 0.25;
const MOST_LONGER = 4;
/** Over so long answers are counted; a little less than what was counted can be done for certain: they come in lumps. */
const COUNTED_MS = 8_000;
const CERTAIN = 0.9;
/** How fast measurements lose weight, in the time of a lone one: answers come in lumps, one for each block. */
const MEMORY_IN_LONE_TIMES = 4;
const LEAST_MEMORY_MS = 8_000;
/** As many answers as have the weight of what was assumed. */
const ASSUMED_ANSWERS = 50;
/** As many make a rate that may count as the best. */
const ENOUGH_ANSWERS = 100;
/** How fast a rate rises to the best one in calm times, and how fast the best one is forgotten in busy ones. */
const RECOVERY_MS = 60_000;
const BEST_KEPT_MS = 600_000;

/**
 * Projects delays by Little's law: as many as are inside, by the rate at which they are answered, and never less than a lone one
 * takes. Half of that comes on top, because answers come in lumps, one for each block.
 *
 * The rate is measured by those who came while it was busy: each found so many inside and took so long. An idle machine
 * measures nothing, so that it is never thought slow for having had little to do; and what it has just done it can do. What it
 * learnt while something was in its way (a node that hung) fades in calm times towards the best that it has done. While nobody
 * at all is answered for longer than two lone ones take, the silence counts as delay.
 */
export function createProjection({ clock, assumed, busyMs }: ProjectionOptions): Projection {
  let inside = 0;
  let aloneMs = assumed.aloneMs;
  let perMs = assumed.perSecond / 1000;
  /** How many answers it was measured by, older ones counting for less. */
  let weight = ASSUMED_ANSWERS;
  let measured = 0;
  let measuredAtMs = clock.now();
  let bestPerMs = perMs;
  let calmSinceMs = clock.now();
  /** Answers in the last `COUNTED_MS`, older ones counting for less. */
  let counted = 0;
  let countedAtMs = clock.now();
  /** When somebody was answered last, or the first of those came who are inside. */
  let heardAtMs = clock.now();

  const silenceMs = (): number => (inside === 0 ? 0 : Math.max(0, clock.now() - heardAtMs - 2 * aloneMs));
  const delayMs = (): number => Math.max(aloneMs, inside / perMs + aloneMs / 2) + silenceMs();

  function measure(foundInside: number, tookMs: number): void {
    const nowMs = clock.now();
    // Time in which nothing was measured makes nothing older.
    const passedMs = Math.min(Math.max(0, nowMs - measuredAtMs), LEAST_MEMORY_MS);
    const kept = Math.exp(-passedMs / Math.max(LEAST_MEMORY_MS, MEMORY_IN_LONE_TIMES * aloneMs));
    // Not more than two times over everybody who is inside: after bad times there are few, and they know better.
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

  /** Whether one that comes now finds it busy; where it does not, the rate recovers for the time that it was calm. */
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
      // It measures, too, if it takes as long as if it had been busy, with at least half as many inside.
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

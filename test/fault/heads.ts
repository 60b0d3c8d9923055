import { randomOf } from "./random.ts";
import type { Striking } from "./striking.ts";

/** What a node says about the number of its newest block. */
export type HeadFaults = {
  /** The number that it tells in place of the true one. */
  readonly tell: (number: number) => number;
};

export const HEAD_FAULTS = ["late-head", "missing-heads", "earlier-head"] as const;

type Fault = (typeof HEAD_FAULTS)[number];

/** One block in so many is told wrongly. */
const PROBABILITY = 0.4;
/** How much later than it came a block is told, in the run's milliseconds. */
const LATE_MS = { least: 300, most: 4_000 };

/** Tells blocks late, several at once, or one and then an older one again. */
export function createHeadFaults({
  seed,
  striking,
  elapsedMs,
}: {
  readonly seed: number;
  readonly striking: Striking<Fault>;
  readonly elapsedMs: () => number;
}): HeadFaults {
  const random = randomOf(seed, "heads");
  let newest = -1;
  let told = -1;
  let fault: Fault | undefined;
  /** When a late block is told, or at which block the missing ones are. */
  let until = 0;

  function begin(number: number): void {
    newest = number;
    fault = striking.next(() => random.chance(PROBABILITY));
    if (fault === "late-head") until = elapsedMs() + random.between(LATE_MS.least, LATE_MS.most);
    if (fault === "missing-heads") until = number + random.between(1, 3);
  }

  return {
    tell: (number) => {
      if (told < 0) [newest, told] = [number, number];
      const isHeld = fault === "missing-heads" && number < until;
      if (number !== newest && !isHeld) begin(number);
      const isLate = fault === "late-head" && elapsedMs() < until;
      if (isLate || isHeld) {
        striking.count(fault);
        return told;
      }
      told = number;
      if (fault !== "earlier-head" || !random.chance(0.5)) return number;
      striking.count(fault);
      return Math.max(0, number - random.between(1, 2));
    },
  };
}

import type { Random } from "./random.ts";

/** Decides which of several faults of a theme happens next, and counts them. */
export type Striking<Fault extends string> = {
  /** The fault that happens now, if any. */
  readonly next: (isDrawn: () => boolean) => Fault | undefined;
  readonly count: (fault: Fault | undefined) => void;
};

/**
 * Faults for an engine that is in step with the blocks. Each kind happens once in a run that is about them, and further
 * ones at random while the node lies.
 */
export function createStriking<Fault extends string>({
  faults,
  isOwed,
  isLying,
  isInStep,
  random,
  counts,
}: {
  readonly faults: readonly Fault[];
  /** Whether the run is about these faults. */
  readonly isOwed: boolean;
  readonly isLying: () => boolean;
  readonly isInStep: () => boolean;
  readonly random: Random;
  readonly counts: Map<string, number>;
}): Striking<Fault> {
  return {
    next: (isDrawn) => {
      if (!isInStep()) return undefined;
      const owed = isOwed ? faults.find((fault) => !counts.has(fault)) : undefined;
      if (owed !== undefined) return owed;
      return isLying() && isDrawn() ? random.pick(faults) : undefined;
    },
    count: (fault) => {
      if (fault !== undefined) counts.set(fault, (counts.get(fault) ?? 0) + 1);
    },
  };
}

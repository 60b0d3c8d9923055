/** What is due. */
export type Turn = "step" | "block" | undefined;

/** When steps and blocks are due, by a clock of milliseconds that never goes back. */
export type Schedule = {
  /** Says what is due now and counts it as done. Those that were missed are left out. */
  readonly take: () => Turn;
  /** When something is due next. */
  readonly nextMs: () => number;
  /** When the block that is being built is due; infinite if blocks do not come by themselves. */
  readonly blockDueMs: () => number;
  /** From now on, as many milliseconds pass before each block as this says; 0: none comes by itself. */
  readonly setBlockTime: (blockTimeMs: () => number) => void;
};

/**
 * Steps come `stepMs` apart from the time at which the last block was due, and blocks a block time apart. How long a step
 * or a block takes does not delay the ones after it.
 * @param blockTimeMs Asked before each block; 0 for none.
 * @param now Milliseconds.
 */
export function createSchedule(stepMs: number, blockTimeMs: () => number, now: () => number): Schedule {
  let timeMs = blockTimeMs;
  let beganMs = now();
  let dueMs = nextBlock();
  let stepDueMs = nextStep();

  function nextBlock(): number {
    const time = timeMs();
    return time > 0 ? nextAfter(beganMs, time) : Number.POSITIVE_INFINITY;
  }

  function nextStep(): number {
    return nextAfter(beganMs, stepMs);
  }

  function nextAfter(fromMs: number, everyMs: number): number {
    return fromMs + everyMs * (1 + Math.floor(Math.max(0, now() - fromMs) / everyMs));
  }

  return {
    take: () => {
      if (now() >= dueMs) {
        beganMs = dueMs;
        dueMs = nextBlock();
        stepDueMs = nextStep();
        return "block";
      }
      if (now() < stepDueMs) return undefined;
      stepDueMs = nextStep();
      return "step";
    },
    nextMs: () => Math.min(dueMs, stepDueMs),
    blockDueMs: () => dueMs,
    setBlockTime: (time) => {
      timeMs = time;
      beganMs = now();
      dueMs = nextBlock();
      stepDueMs = nextStep();
    },
  };
}

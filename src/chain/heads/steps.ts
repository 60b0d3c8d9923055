import type { Clock } from "../../clock.ts";
import type { Heads } from "./heads.ts";

/**
 * The steps in which a chain preconfirms: each block is built in `count` of them, of the same length. They are numbered
 * through, so that step `n * count` begins with block `n`.
 */
export type Steps = Pick<Heads, "newest" | "periodMs" | "dueMs">;

/** Divides the time between blocks into steps. As long as blocks come irregularly, nothing is known of steps either. */
export function createSteps(heads: Pick<Heads, "newest" | "periodMs" | "dueMs">, count: number, clock: Clock): Steps {
  const periodMs = (): number | undefined => {
    const blockMs = heads.periodMs();
    return blockMs === undefined ? undefined : blockMs / count;
  };

  /** When the newest block was due, and how many of its steps are over. A block that is late has all of them. */
  function position(): { readonly beganMs: number; readonly over: number; readonly stepMs: number } | undefined {
    const [stepMs, dueMs] = [periodMs(), heads.dueMs(1)];
    if (stepMs === undefined || dueMs === undefined) return undefined;
    const beganMs = dueMs - stepMs * count;
    return { beganMs, stepMs, over: Math.max(0, Math.floor((clock.now() - beganMs) / stepMs)) };
  }

  return {
    newest: () => {
      const [block, at] = [heads.newest(), position()];
      return block === undefined || at === undefined ? undefined : block * BigInt(count) + BigInt(at.over);
    },
    periodMs,
    dueMs: (steps) => {
      const at = position();
      return at === undefined ? undefined : at.beganMs + (at.over + steps) * at.stepMs;
    },
  };
}

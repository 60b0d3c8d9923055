import type { Clock } from "../../clock.ts";
import type { Heads } from "./heads.ts";

/**
 * The steps in which a chain preconfirms: each block is built in several, of the same length. They are numbered through
 * from block to block.
 */
export type Steps = Pick<Heads, "newest" | "periodMs" | "dueMs">;

/**
 * Divides the time between blocks into steps of about `stepMs`. As long as blocks come irregularly, nothing is known of
 * steps either.
 */
export function createSteps(heads: Steps, stepMs: number, clock: Clock): Steps {
  /** When the newest block was due, and how many of its steps are over. A block that is late goes on in steps. */
  function position() {
    const [blockMs, dueMs] = [heads.periodMs(), heads.dueMs(1)];
    if (blockMs === undefined || dueMs === undefined) return undefined;
    const count = Math.max(1, Math.round(blockMs / stepMs));
    const beganMs = dueMs - blockMs;
    const lengthMs = blockMs / count;
    return { beganMs, lengthMs, count, over: Math.max(0, Math.floor((clock.now() - beganMs) / lengthMs)) };
  }

  return {
    newest: () => {
      const [block, at] = [heads.newest(), position()];
      return block === undefined || at === undefined ? undefined : block * BigInt(at.count) + BigInt(at.over);
    },
    periodMs: () => position()?.lengthMs,
    dueMs: (steps) => {
      const at = position();
      return at === undefined ? undefined : at.beganMs + (at.over + steps) * at.lengthMs;
    },
  };
}

/**
 * The questions that are allowed for learning when blocks come. To learn it, a node is asked much more often than later,
 * which is a waste if blocks turn out to come at random or not at all.
 */
export type Lessons = {
  /** Takes one of the questions. False if none is allowed now. */
  readonly take: (nowMs: number) => boolean;
  /** A new block was seen; `isRegular` says whether it is known when the next one comes. */
  readonly noteBlock: (isRegular: boolean, nowMs: number) => void;
  /** Allows all of them again: there is reason to believe that blocks come regularly now. */
  readonly begin: (nowMs: number) => void;
};

/** The most questions. As many become allowed again within {@link RELEARN_MS}, bit by bit. */
const MOST = 300;
const RELEARN_MS = 1_800_000;
/**
 * Learning ends after this many blocks and this long if they still come irregularly. It begins again with all questions.
 */
const ENOUGH_BLOCKS = 8;
const ENOUGH_MS = 10_000;
/** Learning pauses if no block came for this long: to see blocks that are so far apart, no frequent questions are needed. */
const SILENCE_MS = 10_000;

export function createLessons(startMs: number): Lessons {
  let left = MOST;
  let refilledAtMs = startMs;
  let beganAtMs = startMs;
  let lastBlockMs = startMs;
  /** Blocks that came irregularly. Each regular one outweighs one of them. */
  let irregular = 0;
  let isOver = false;

  function begin(nowMs: number): void {
    left = MOST;
    beganAtMs = nowMs;
    lastBlockMs = nowMs;
    irregular = 0;
    isOver = false;
  }

  return {
    begin,
    take: (nowMs) => {
      left = Math.min(MOST, left + ((nowMs - refilledAtMs) * MOST) / RELEARN_MS);
      refilledAtMs = nowMs;
      if (isOver && left >= MOST) begin(nowMs);
      if (left < 1 || (irregular >= ENOUGH_BLOCKS && nowMs - beganAtMs >= ENOUGH_MS)) isOver = true;
      if (isOver || nowMs - lastBlockMs > SILENCE_MS) return false;
      left -= 1;
      return true;
    },
    noteBlock: (isRegular, nowMs) => {
      lastBlockMs = nowMs;
      irregular = Math.max(0, irregular + (isRegular ? -1 : 1));
      if (irregular === 0) beganAtMs = nowMs;
    },
  };
}

import type { Clock } from "../clock.ts";
import { describeError } from "../failures.ts";
import type { Logger } from "../logger.ts";

/** The longest pause between two tries while the work keeps failing. */
const MAX_PAUSE_MS = 5_000;
/** How often a failure that lasts is logged. */
const MENTION_EVERY_MS = 60_000;

export type Steady = {
  /** Starts the next run now. */
  readonly wake: () => void;
  /** Resolves once the signal has aborted and the last run is over. */
  readonly ended: Promise<void>;
};

/**
 * Runs `work` again and again, `pauseMs` apart, until the signal aborts. After a failure the pauses double. A failure is
 * logged when it begins, once a minute while it lasts, and when it is over.
 */
export function startSteady(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Asked after each run. Undefined: no run is due until `wake` is called, or the longest pause has passed. */
  readonly pauseMs: () => number | undefined;
  readonly work: () => Promise<void>;
}): Steady {
  const { name, clock, logger, signal, pauseMs, work } = options;
  let woken = false;
  let sleeping: AbortController | undefined;
  const wake = (): void => {
    woken = true;
    sleeping?.abort();
  };

  async function run(): Promise<void> {
    let failures = 0;
    let mentionedAtMs = 0;
    while (!signal.aborted) {
      woken = false;
      try {
        await work();
        if (failures > 0) logger.info(`${name}: works again`, { failures });
        failures = 0;
      } catch (error) {
        if (signal.aborted) return;
        failures += 1;
        const nowMs = clock.now();
        if (failures === 1 || nowMs - mentionedAtMs >= MENTION_EVERY_MS) {
          mentionedAtMs = nowMs;
          logger.warn(`${name}: will try again`, { ...describeError(error), failures });
        }
      }
      await pause(failures);
    }
  }

  async function pause(failures: number): Promise<void> {
    const usual = pauseMs();
    const backOff = failures === 0 ? 0 : Math.min(MAX_PAUSE_MS, 100 * 2 ** Math.min(failures, 10));
    // After a failure `wake` does not shorten the pause: that would be a busy loop on a dead node.
    if ((woken && failures === 0) || signal.aborted) return;
    sleeping = new AbortController();
    const stop = (): void => sleeping?.abort();
    signal.addEventListener("abort", stop, { once: true });
    await clock.sleep(Math.max(usual ?? MAX_PAUSE_MS, backOff, 1), failures === 0 ? sleeping.signal : signal);
    signal.removeEventListener("abort", stop);
    sleeping = undefined;
  }

  // The first run starts in a later microtask, when the caller has the returned object.
  return { wake, ended: Promise.resolve().then(run) };
}

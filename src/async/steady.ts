import type { Clock } from "../clock.ts";
import { describeError } from "../failures.ts";
import type { Logger } from "../logger.ts";

/** The longest pause between two tries of what fails again and again. */
const MAX_PAUSE_MS = 5_000;
/** How often something that goes on failing is mentioned. */
const MENTION_EVERY_MS = 60_000;

export type Steady = {
  /** Lets the next run come now. */
  readonly wake: () => void;
  /** Ends when the signal that it was started with has aborted and its last run is over. */
  readonly ended: Promise<void>;
};

/**
 * Runs `work` again and again until the signal aborts, `pauseMs` apart. What fails is tried again after pauses that double,
 * is said when it begins, once a minute while it lasts, and when it is over.
 */
export function startSteady(options: {
  readonly name: string;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** Asked after each run. Undefined: until it is woken. */
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
    // Who failed is not woken: that would be a busy loop on a dead node.
    if ((woken && failures === 0) || signal.aborted) return;
    sleeping = new AbortController();
    const stop = (): void => sleeping?.abort();
    signal.addEventListener("abort", stop, { once: true });
    await clock.sleep(Math.max(usual ?? MAX_PAUSE_MS, backOff, 1), failures === 0 ? sleeping.signal : signal);
    signal.removeEventListener("abort", stop);
    sleeping = undefined;
  }

  // Not before the caller has what it starts here.
  return { wake, ended: Promise.resolve().then(run) };
}

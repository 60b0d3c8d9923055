import { setTimeout as delay } from "node:timers/promises";
import { createHandClock, type HandClock } from "../helpers/handClock.ts";

/** How much faster than real time a run goes if the machine is fast enough: a block of two seconds takes 80 ms. */
export const SPEED = 25;
/** Unix seconds at which the chain of every run begins, so that a seed's signatures are always the same. */
export const GENESIS_SECONDS = 1_900_000_000;
/** In real milliseconds. */
const STEP_MS = 8;
/** Whoever has not answered after this time never will, however slow the machine. In real milliseconds. */
const HANGS_AFTER_MS = 300_000;

/** A run's time in milliseconds since its start. It advances only as fast as all of its users keep up. */
export type RunClock = {
  readonly elapsedMs: () => number;
  readonly sleep: HandClock["sleep"];
  /** Tells an engine the time in every step, and waits for its answer. Time stands still while there is no engine. */
  readonly follow: (tell: (elapsedMs: number) => Promise<void>) => { readonly leave: () => void };
  /** Waits in every step for what is asked at its beginning. */
  readonly waitFor: (settled: () => Promise<unknown>) => void;
  /** Resolves if somebody no longer answers. */
  readonly hung: Promise<void>;
  readonly stop: () => void;
};

export function startRunClock(): RunClock {
  const clock = createHandClock(0);
  const engines = new Set<(elapsedMs: number) => Promise<void>>();
  const waits: (() => Promise<unknown>)[] = [];
  let isStopped = false;
  let wake: () => void = () => undefined;
  let hang: () => void = () => undefined;
  const hung = new Promise<void>((resolve) => {
    hang = resolve;
  });

  async function step(): Promise<void> {
    const began = performance.now();
    await delay(STEP_MS);
    if (isStopped) return;
    if (engines.size === 0) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
      return;
    }
    await Promise.all(waits.map((settled) => settled()));
    clock.set(clock.now() + Math.round(Math.min(performance.now() - began, 2 * STEP_MS) * SPEED));
    await Promise.all([...engines].map((tell) => tell(clock.now())));
  }

  async function run(): Promise<void> {
    while (!isStopped) {
      const late = new AbortController();
      delay(HANGS_AFTER_MS, undefined, { signal: late.signal, ref: false }).then(hang, () => undefined);
      await step();
      late.abort();
    }
  }
  void run();

  return {
    elapsedMs: clock.now,
    sleep: clock.sleep,
    follow: (tell) => {
      engines.add(tell);
      wake();
      return { leave: () => void engines.delete(tell) };
    },
    waitFor: (settled) => void waits.push(settled),
    hung,
    stop: () => {
      isStopped = true;
      wake();
      clock.stop();
    },
  };
}

/** An engine's clock, set by hand to the run's time and off by `skewMs` from what the chain goes by. */
export function engineClock(
  elapsedMs: number,
  skewMs: number,
): HandClock & { readonly setElapsed: (ms: number) => void } {
  const at = (ms: number) => GENESIS_SECONDS * 1000 + ms + skewMs;
  const clock = createHandClock(at(elapsedMs));
  return { ...clock, setElapsed: (ms) => clock.set(at(ms)) };
}

import { AsyncResource } from "node:async_hooks";
import { currentRun } from "./surroundings.ts";

/** The signals that ask a command to stop: from Ctrl-C, a service manager, or a closed terminal. */
export const STOP_SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"] as const satisfies readonly NodeJS.Signals[];

/** Whether a command was asked to stop. */
export type StopRequest = {
  readonly signal: AbortSignal;
  /** Resolves when `signal` aborts. */
  readonly asked: Promise<void>;
  /** Gives the signals back their usual effect. */
  readonly forget: () => void;
};

/** Aborts at the first signal that asks to stop. Further ones change nothing: npm repeats what the terminal sent. */
export function listenForStop(): StopRequest {
  const controller = new AbortController();
  const { signal: stop } = controller;
  const { signals } = currentRun();
  const asked = new Promise<void>((resolve) => stop.addEventListener("abort", () => resolve(), { once: true }));
  // A signal comes from outside of the run, and what hears of it prints as part of the run.
  const onSignal = AsyncResource.bind((): void => controller.abort());
  for (const signal of STOP_SIGNALS) signals.on(signal, onSignal);
  return {
    signal: stop,
    asked,
    forget: () => {
      for (const signal of STOP_SIGNALS) signals.off(signal, onSignal);
    },
  };
}

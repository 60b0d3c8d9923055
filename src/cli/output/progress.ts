import { SingleBar } from "cli-progress";
import { STOP_SIGNALS } from "../process/stopSignals.ts";
import { currentRun } from "../process/surroundings.ts";
import { describeSeconds } from "./duration.ts";
import { createEstimate } from "./timeLeft.ts";

/** A bar on stderr while something long runs. Nothing is shown if stderr is not a terminal. */
export type Progress = { readonly update: (done: number) => void; readonly stop: () => void };

/**
 * Starts a progress bar for `total` things called `what`. A signal removes the bar and shows the cursor again. If the
 * command does not listen for the signal, it still ends.
 */
export function startProgress(what: string, total: number): Progress {
  const { stderr, signals } = currentRun();
  if (stderr.isTTY !== true) return { update: () => undefined, stop: () => undefined };
  const bar = new SingleBar({
    stream: stderr,
    format: `${what} {bar} {value}/{total}{left}`,
    hideCursor: true,
    clearOnComplete: true,
    // The bar's own handler would keep the signal from ending the process.
    gracefulExit: false,
  });
  const estimate = createEstimate(total, () => performance.now());
  const stop = (): void => {
    for (const signal of STOP_SIGNALS) signals.off(signal, onSignal);
    bar.stop();
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    stop();
    if (signals.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  for (const signal of STOP_SIGNALS) signals.on(signal, onSignal);
  bar.start(total, 0, { left: "" });
  return {
    update: (done) => {
      const seconds = estimate(done);
      bar.update(done, { left: seconds === undefined ? "" : ` · about ${describeSeconds(seconds)} left` });
    },
    stop,
  };
}

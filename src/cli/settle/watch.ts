import type { ChainClient } from "../../chain/client.ts";
import { type KeyWait, nameOf } from "../../settlement/engine/takeKeys.ts";
import { type JobStop, type WatchOptions, type WatchStatus, watchPayments } from "../../settlement/index.ts";
import { asUsageAsync } from "../exit/errors.ts";
import { notice, printJson, printLine } from "../output/output.ts";
import { counted } from "../output/summary.ts";
import { listenForStop } from "../process/stopSignals.ts";

/** Watches until a signal asks to stop, or the stream ends, and prints what happens. */
export async function runWatch(
  client: ChainClient,
  {
    json,
    ...options
  }: Omit<WatchOptions, "signal" | "onStart" | "onStatus" | "onHeld" | "onStop"> & {
    readonly json: boolean;
  },
): Promise<void> {
  const stop = listenForStop();
  stop.signal.addEventListener("abort", () => notice("stopping: no more payments are accepted"));
  let hasStarted = false;
  const watching = watchPayments(client, {
    ...options,
    signal: stop.signal,
    onStart: ({ folder }) => {
      hasStarted = true;
      if (json) printJson({ watching: folder ?? "-", results: options.out });
      else printLine(`watching ${folder ?? "standard input"}; results go to ${options.out}`);
    },
    onStatus: (status) => printStatus(status, json),
    onHeld: tellHeld,
    onStop: tellStopping,
  });
  // An error that keeps a watch from starting is bad usage; an error that ends it later is not.
  const status = await watching
    .catch((error: unknown) => (hasStarted ? Promise.reject(error) : asUsageAsync(Promise.reject(error))))
    .finally(stop.forget);
  printStatus(status, json);
}

/** Prints that another engine, dead or alive, holds a key. */
export function tellHeld({ waitMs, lease }: KeyWait): void {
  const seconds = Math.ceil(waitMs / 1000);
  notice(
    `notice: ${lease.sender} is leased to ${nameOf(lease)}, which may be dead or alive; ` +
      `watching for up to ${seconds} s whether it renews the lease`,
  );
}

/** Prints that a run was asked to stop and waits for its transactions. */
export function tellStopping({ transactions, waitMs }: JobStop): void {
  notice(
    transactions === 0
      ? "stopping: nothing is on its way"
      : `stopping: waiting up to ${Math.ceil(waitMs / 1000)} s for ${counted(transactions, "transaction")} on the way; ` +
          "what is open then stays in the journal",
  );
}

function printStatus(status: WatchStatus, json: boolean): void {
  if (json) {
    printJson(status);
    return;
  }
  const paused = status.senders.flatMap(({ address, paused: why }) =>
    why === undefined || why === "closed" ? [] : [`${address} paused: ${why}`],
  );
  const figures = [
    `queued ${status.queued}`,
    `in flight ${status.inFlight} in ${counted(status.transactions, "transaction")}`,
    `settled ${status.settled}`,
    `not settled ${status.notSettled}`,
    ...paused,
  ];
  printLine(`${new Date().toISOString()} ${figures.join(", ")}`);
}

import { realpath, stat } from "node:fs/promises";
import { resolve, sep } from "node:path";
import type { ChainClient } from "../../../chain/client.ts";
import { type Clock, systemClock } from "../../../clock.ts";
import { silentLogger } from "../../../logger.ts";
import { startEngine } from "../../engine/start.ts";
import type { SettlementEngine } from "../../engine/types.ts";
import type { Pace } from "../../pace.ts";
import type { EnginePolicyOptions } from "../../policy.ts";
import { type DecidedLog, openDecidedLog } from "./decidedLog.ts";
import { readFolder, readStream } from "./read.ts";
import { WatchError, type WatchOptions, type WatchStatus } from "./types.ts";

const LOOK_EVERY_MS = 250;
const FINISH_MS = 30_000;
const STATUS_EVERY_MS = 10_000;
const WATCH_POLICY: EnginePolicyOptions = { leaseTtlMs: 15_000, maxInFlight: 8 };
const WATCH_PACE: Partial<Pace> = { pollMs: 250 };

/**
 * Settles payments as they come, until `signal` aborts, or the stream has ended and all its payments are decided. A
 * line is noted as read only after its payment is in the journal, so a restart neither forgets a line of a folder nor
 * settles one twice. While the node does not answer, payments wait.
 *
 * @returns Where the watch stands at the end. Open payments stay in the journal, and the next watch of the folder takes
 * them up.
 * @throws WatchError if there is no such folder, or the results cannot be written; SenderHeldError if another engine
 * sends from one of the keys; JournalError if the journal cannot be read or written, or is of another chain;
 * EnginePolicyError or PlanLimitsError if the policy is out of its range.
 */
export async function watchPayments(client: ChainClient, options: WatchOptions): Promise<WatchStatus> {
  const {
    from,
    journal,
    nodes,
    webSocketUrl,
    senders,
    signal,
    onHeld,
    logger = silentLogger,
    clock = systemClock,
  } = options;
  const folder = typeof from === "string" ? await folderAt(from) : undefined;
  if (folder !== undefined && resolve(options.out).startsWith(folder + sep) && options.out.endsWith(".jsonl")) {
    throw new WatchError(
      "results-in-folder",
      `The results would be read as payments: ${options.out} is in the folder that is watched.`,
      { hint: "Name another place for them." },
    );
  }
  const prefix = `watch:${folder ?? "-"}:`;
  const log = await openDecidedLog(journal, options.out, { prefix, onResult: options.onResult });
  const engine = await startEngine(client, {
    journal,
    senders,
    ...(nodes === undefined ? {} : { nodes }),
    webSocketUrl,
    policy: { ...WATCH_POLICY, ...options.policy },
    pace: WATCH_PACE,
    ...(onHeld === undefined ? {} : { onHeld }),
    signal,
    clock,
    logger,
  }).catch(async (error: unknown) => {
    await log.close();
    throw error;
  });
  const [ended, failed] = [new AbortController(), new AbortController()];
  const background = Promise.all([
    writeResults(log, clock, ended.signal),
    tellStatus(options, () => statusOf(log, engine), clock, ended.signal),
  ]);
  // If results cannot be written, nothing more is taken in. The error is thrown below.
  background.catch(() => failed.abort());
  const reading = AbortSignal.any([signal, failed.signal]);
  const intake = { journal, engine, log, prefix, context: options.context ?? {}, signal: reading, clock, logger };
  options.onStart?.({ folder });
  try {
    if (typeof from === "string") await readFolder(intake, folder ?? from);
    else {
      await readStream(intake, from);
      while (!reading.aborted && log.open() > 0) await clock.sleep(LOOK_EVERY_MS, reading);
    }
  } finally {
    const { finishWithinMs = FINISH_MS } = options;
    const transactions = engine.accounts().reduce((sum, { openBatches }) => sum + openBatches, 0);
    if (signal.aborted) options.onStop?.({ transactions, waitMs: finishWithinMs });
    await engine.close({ finishWithinMs });
    ended.abort();
    try {
      await background;
      for (let before = -1; before !== log.open(); ) {
        before = log.open();
        await log.look();
      }
    } finally {
      await log.close();
    }
  }
  return statusOf(log, engine);
}

async function writeResults(log: DecidedLog, clock: Clock, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await clock.sleep(LOOK_EVERY_MS, signal);
    await log.look();
  }
}

async function tellStatus(
  { statusEveryMs = STATUS_EVERY_MS, onStatus }: WatchOptions,
  status: () => WatchStatus,
  clock: Clock,
  signal: AbortSignal,
): Promise<void> {
  if (onStatus === undefined) return;
  for (;;) {
    await clock.sleep(statusEveryMs, signal);
    if (signal.aborted) return;
    onStatus(status());
  }
}

function statusOf(log: DecidedLog, engine: SettlementEngine): WatchStatus {
  return { ...log.standing(), senders: engine.accounts() };
}

async function folderAt(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return await realpath(path);
  } catch {
    // The error below says it.
  }
  throw new WatchError("folder", `There is no folder ${path} to watch.`, { hint: "Make it first, or give a stream." });
}

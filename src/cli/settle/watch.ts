import { watch as watchFolder } from "node:fs";
import { readdir, realpath, stat } from "node:fs/promises";
import { join, resolve, sep } from "node:path";
import type { LocalAccount } from "viem";
import { AuthorizationInputError, type ParseContext, parseAuthorization } from "../../authorization/index.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import { ChainUnavailableError } from "../../chain/errors.ts";
import { systemClock } from "../../clock.ts";
import type { Journal } from "../../journal/index.ts";
import type { Logger } from "../../logger.ts";
import type { SettlementEngine } from "../../settlement/engine/engine.ts";
import { startEngine } from "../../settlement/engine/start.ts";
import { type KeyWait, nameOf } from "../../settlement/engine/takeKeys.ts";
import type { JobStop } from "../../settlement/index.ts";
import type { EnginePolicyOptions } from "../../settlement/policy.ts";
import { asUsageAsync, UsageError } from "../exit/errors.ts";
import { EXIT, type ExitCode } from "../exit/exitCodes.ts";
import { type DecidedLog, openDecidedLog, type WatchStanding } from "../../settlement/job/watch/decidedLog.ts";
import { createLineSplitter, readNewLines, type TailedLine, type TailPosition } from "../../settlement/job/watch/tail.ts";
import { notice, printJson, printLine } from "../output/output.ts";
import { counted } from "../output/summary.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { currentRun } from "../process/surroundings.ts";

export type WatchOptions = {
  /** A folder whose `*.jsonl` files are read as they grow, or `-` for standard input. */
  readonly from: string;
  readonly client: ChainClient;
  readonly nodes: readonly ChainClient[];
  readonly senders: readonly LocalAccount[];
  readonly journal: Journal;
  readonly policy: EnginePolicyOptions;
  readonly context: ParseContext;
  /** Where results are appended. */
  readonly out: string;
  readonly statusEverySeconds: number;
  /** How long transactions on their way are waited for at the end. */
  readonly finishWithinSeconds: number;
  readonly json: boolean;
  readonly logger: Logger;
};

/** Lines that are verified and stored together, and after which it is noted how far the file was read. */
const LINES_AT_ONCE = 200;
const LOOK_EVERY_MS = 250;
const POLL_FOLDER_MS = 1_000;
const RETRY_MS = 1_000;
const WATCH_POLICY: EnginePolicyOptions = { pollMs: 250, leaseTtlMs: 15_000, maxInFlight: 8 };

/**
 * Settles payments as they come, until SIGTERM or SIGINT, or the end of standard input. What was read is in the journal
 * before it is noted as read, so that a restart neither forgets a line nor settles one twice.
 */
export async function runWatch(options: WatchOptions): Promise<ExitCode> {
  const { from, journal, client, json } = options;
  const folder = from === "-" ? undefined : await folderAt(from);
  if (folder !== undefined && resolve(options.out).startsWith(folder + sep) && options.out.endsWith(".jsonl")) {
    throw new UsageError(`The results would be read as payments: ${options.out} is in the folder that is watched.`, {
      hint: "Name another place with --out.",
    });
  }
  const prefix = `watch:${folder ?? "-"}:`;
  const stop = listenForStop();
  stop.signal.addEventListener("abort", () => notice("stopping: no more payments are taken in"));

  const log = await openDecidedLog(journal, options.out, prefix);
  const engine = await asUsageAsync(
    startEngine(client, {
      journal,
      nodes: options.nodes,
      senders: options.senders,
      policy: { ...WATCH_POLICY, ...options.policy },
      logger: options.logger,
      onHeld: tellHeld,
      signal: stop.signal,
    }),
  );
  const ended = new AbortController();
  const background = Promise.all([writeResults(log, ended.signal), tellStatus(options, engine, log, ended.signal)]);
  const intake: Intake = { ...options, engine, log, prefix, signal: stop.signal };
  if (json) printJson({ watching: folder ?? "-", results: options.out });
  else printLine(`watching ${folder ?? "standard input"}; results go to ${options.out}`);
  try {
    if (folder === undefined) {
      await readStdin(intake);
      while (!stop.signal.aborted && log.open() > 0) await systemClock.sleep(LOOK_EVERY_MS, stop.signal);
    } else await readFolder(intake, folder);
  } finally {
    const waitMs = options.finishWithinSeconds * 1000;
    const transactions = engine.accounts().reduce((sum, { openBatches }) => sum + openBatches, 0);
    if (stop.signal.aborted) tellStopping({ transactions, waitMs });
    await engine.close({ finishWithinMs: waitMs });
    ended.abort();
    await background;
    for (let before = -1; before !== log.open(); ) {
      before = log.open();
      await log.look();
    }
    await log.close();
    stop.forget();
  }
  printStatus(statusOf(log, engine), json);
  return EXIT.done;
}

type Intake = WatchOptions & {
  readonly engine: SettlementEngine;
  readonly log: DecidedLog;
  /** Of the sources of this watch's payments. */
  readonly prefix: string;
  readonly signal: AbortSignal;
};

/** Told when another engine holds a key, dead or alive. */
export function tellHeld({ waitMs, lease }: KeyWait): void {
  const seconds = Math.ceil(waitMs / 1000);
  notice(
    `notice: ${lease.sender} is leased to ${nameOf(lease)}, which may be dead or alive; ` +
      `watching for up to ${seconds} s whether it renews that`,
  );
}

/** Told when a run was asked to stop and waits for what is on its way. */
export function tellStopping({ transactions, waitMs }: JobStop): void {
  notice(
    transactions === 0
      ? "stopping: nothing is on its way"
      : `stopping: waiting up to ${Math.ceil(waitMs / 1000)} s for ${counted(transactions, "transaction")} on the way; ` +
          "what is open then stays in the journal",
  );
}

async function readFolder(intake: Intake, folder: string): Promise<void> {
  let wake = new AbortController();
  const watcher = watchFolder(folder, () => wake.abort());
  // The folder is looked at regularly too: some file systems tell nothing.
  watcher.on("error", () => undefined);
  try {
    while (!intake.signal.aborted) {
      wake = new AbortController();
      for (const name of (await readdir(folder)).filter((file) => file.endsWith(".jsonl")).sort()) {
        if (intake.signal.aborted) return;
        await readFile(intake, folder, name);
      }
      await systemClock.sleep(POLL_FOLDER_MS, AbortSignal.any([wake.signal, intake.signal]));
    }
  } finally {
    watcher.close();
  }
}

async function readFile(intake: Intake, folder: string, name: string): Promise<void> {
  const cursor = `consumed:${intake.prefix}${name}`;
  const known = await intake.journal.cursor(cursor);
  const position: TailPosition | undefined = known === undefined ? undefined : JSON.parse(known);
  let chunk: TailedLine[] = [];
  const flush = async (): Promise<void> => {
    const last = chunk.at(-1);
    if (last === undefined || !(await take(intake, name, chunk))) return;
    await intake.journal.setCursor(cursor, JSON.stringify(last.after));
    chunk = [];
  };
  try {
    for await (const line of readNewLines(join(folder, name), position)) {
      chunk.push(line);
      if (chunk.length === LINES_AT_ONCE) await flush();
      if (intake.signal.aborted) return;
    }
    await flush();
  } catch (error) {
    if (!(error instanceof Error && "code" in error && error.code === "ENOENT")) throw error;
    // It was removed since the folder was listed.
  }
}

async function readStdin(intake: Intake): Promise<void> {
  const { stdin } = currentRun();
  const split = createLineSplitter();
  const stop = (): unknown => stdin.destroy();
  intake.signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const bytes of stdin) {
      await takeAll(intake, [...split.push(bytes)]);
      if (intake.signal.aborted) return;
    }
    const last = split.end();
    if (last !== undefined) await takeAll(intake, [last]);
  } catch (error) {
    if (!intake.signal.aborted) throw error;
  } finally {
    intake.signal.removeEventListener("abort", stop);
  }
}

async function takeAll(intake: Intake, lines: readonly TailedLine[]): Promise<void> {
  for (let i = 0; i < lines.length && !intake.signal.aborted; i += LINES_AT_ONCE) {
    await take(intake, "-", lines.slice(i, i + LINES_AT_ONCE));
  }
}

/** Stores the payments of some lines and what is wrong with others, however long the node takes to answer. False where it was told to stop instead. */
async function take(intake: Intake, name: string, lines: readonly TailedLine[]): Promise<boolean> {
  const { engine, log, prefix, logger, signal } = intake;
  const good: {
    readonly authorization: SignedAuthorization;
    readonly source: string;
    readonly at: string | undefined;
  }[] = [];
  const bad: Parameters<DecidedLog["refuse"]>[0][] = [];
  for (const tailed of lines) {
    const source = `${name}:${tailed.line}`;
    const at = name === "-" ? undefined : `${tailed.after.inode}:${tailed.line}`;
    const parsed = parse(tailed, intake.context);
    if (parsed === undefined) continue;
    if (parsed instanceof AuthorizationInputError) {
      const { field, problem } = parsed;
      bad.push({ source, at, status: "invalid", field, message: problem });
    } else good.push({ authorization: parsed, source: prefix + source, at });
  }
  while (!signal.aborted) {
    try {
      const admissions = await engine.accept(good);
      const ids: number[] = [];
      for (const [index, { source, at }] of good.entries()) {
        const admission = admissions[index];
        const line = source.slice(prefix.length);
        if (admission === undefined) continue;
        if (admission.status === "refused") {
          const { reason, message } = admission;
          bad.push({ source: line, at, status: "rejected", reason, message });
        } else if (admission.row.source === source) ids.push(admission.row.id);
        else
          bad.push({
            source: line,
            at,
            status: "duplicate",
            duplicateOf: admission.row.id,
            state: admission.row.state,
          });
      }
      log.track(ids);
      for (const refusal of bad) log.refuse(refusal);
      if (bad.length > 0) await log.sync();
      return true;
    } catch (error) {
      if (!(error instanceof ChainUnavailableError)) throw error;
      logger.warn("payments are waiting: the node does not answer", { error: error.shortMessage });
      await systemClock.sleep(RETRY_MS, signal);
    }
  }
  return false;
}

/** The authorization of a line; undefined where the line is blank. */
function parse(
  { line, text, problem }: TailedLine,
  context: ParseContext,
): SignedAuthorization | AuthorizationInputError | undefined {
  if (problem !== undefined) return new AuthorizationInputError("record", problem, { line });
  if (text === undefined || text === "") return undefined;
  try {
    return parseAuthorization(text, context).authorization;
  } catch (error) {
    if (error instanceof AuthorizationInputError) return error;
    throw error;
  }
}

async function writeResults(log: DecidedLog, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await systemClock.sleep(LOOK_EVERY_MS, signal);
    await log.look();
  }
}

type Status = WatchStanding & { readonly senders: ReturnType<SettlementEngine["accounts"]> };

async function tellStatus(
  { statusEverySeconds, json }: WatchOptions,
  engine: SettlementEngine,
  log: DecidedLog,
  signal: AbortSignal,
): Promise<void> {
  for (;;) {
    await systemClock.sleep(statusEverySeconds * 1000, signal);
    if (signal.aborted) return;
    printStatus(statusOf(log, engine), json);
  }
}

/** Of this watch's own payments: the journal may hold any number of others. */
function statusOf(log: DecidedLog, engine: SettlementEngine): Status {
  return { ...log.standing(), senders: engine.accounts() };
}

function printStatus(status: Status, json: boolean): void {
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

async function folderAt(path: string): Promise<string> {
  try {
    if ((await stat(path)).isDirectory()) return await realpath(path);
  } catch {
    // Said below.
  }
  throw new UsageError(`There is no folder ${path} to watch.`, {
    hint: "Make it first, or pass - to read standard input.",
  });
}

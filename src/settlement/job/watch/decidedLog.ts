import type { FileHandle } from "node:fs/promises";
import { ForeignFileError, openForAppending } from "../../../files.ts";
import type { Journal, PaymentRow } from "../../../journal/index.ts";
import { everyRow } from "../../../journal/pages.ts";
import { isDecided } from "../../../journal/ports/payments.ts";
import { networkOf } from "../../../networks.ts";
import { toJsonLine } from "../results.ts";
import { outcomeOf } from "../rows.ts";
import { createLineSplitter } from "./tail.ts";
import { WatchError, type WatchOutcome, type WatchRefusal, type WatchResult, type WatchStanding } from "./types.ts";

/** A file to which the results of a watch are appended. Each payment is written once, even across restarts. */
export type DecidedLog = {
  /** Adds payments whose results are written once they are known. */
  readonly track: (ids: readonly number[]) => void;
  /**
   * Appends the refusal of a line that has no payment of its own. If `at` names the line of a file, it is written once,
   * even across restarts.
   */
  readonly refuse: (refusal: WatchRefusal) => void;
  /** Resolves once all refusals are on disk. Await it before noting that their lines were read. */
  readonly sync: () => Promise<void>;
  /**
   * Looks at some of the open payments and writes the results of those that are decided. Returns how many are still
   * open.
   */
  readonly look: () => Promise<number>;
  readonly open: () => number;
  /** Where the payments of this watch stand, without any others of the journal. */
  readonly standing: () => WatchStanding;
  readonly close: () => Promise<void>;
};

const LOOK_AT_ONCE = 2_000;
/** More lines than are ever read between two notes of how far a file was read. */
const KEPT_REFUSALS = 1_000;

/**
 * Opens `path` for appending. It first reads what the file holds, so that after a crash exactly the missing results are
 * written.
 * @throws WatchError if the file cannot be written.
 */
export async function openDecidedLog(
  journal: Journal,
  path: string,
  {
    prefix,
    onResult,
  }: {
    /** The prefix of the sources of this watch's payments in the journal. */
    readonly prefix: string;
    /** Called with each result once it is on disk. */
    readonly onResult?: ((result: WatchResult) => void) | undefined;
  },
): Promise<DecidedLog> {
  const mark = `reported:${prefix}`;
  let reportedUpTo = Number((await journal.cursor(mark)) ?? 0);
  const file = await openLog(path);
  const { ids: written, refused } = await readWritten(file, reportedUpTo);
  /** Open payments, with the batch that they are in, if any. */
  const waiting = new Map<number, string | undefined>();
  let [settled, notSettled] = [0, 0];
  let highest = reportedUpTo;
  let results: WatchResult[] = [];

  for await (const rows of everyRow(journal.list, reportedUpTo)) {
    for (const { id, source, batchId } of rows) {
      highest = Math.max(highest, id);
      if (source?.startsWith(prefix) === true && !written.has(id)) waiting.set(id, batchId);
    }
  }
  written.clear();

  let flushed: Promise<void> = Promise.resolve();
  /** Writes run one after the other, so a caller who awaits one knows that all earlier lines are written. */
  function flush(): Promise<void> {
    const next = flushed.then(write);
    flushed = next.catch(() => undefined);
    return next;
  }

  async function write(): Promise<void> {
    const appended = results;
    results = [];
    if (appended.length > 0) {
      await file.appendFile(appended.map((result) => `${toJsonLine(result)}\n`).join(""));
      await file.datasync();
      for (const result of appended) onResult?.(result);
    }
    const upTo = waiting.size === 0 ? highest : lowest(waiting.keys()) - 1;
    if (upTo > reportedUpTo) {
      reportedUpTo = upTo;
      await journal.setCursor(mark, String(upTo));
    }
  }

  return {
    track: (ids) => {
      for (const id of ids) {
        waiting.set(id, undefined);
        highest = Math.max(highest, id);
      }
    },
    refuse: (refusal) => {
      if (refusal.at !== undefined && refused.delete(refusal.at)) return;
      results.push(refusal);
    },
    sync: flush,
    look: async () => {
      const ids = [...waiting.keys()].slice(0, LOOK_AT_ONCE);
      for (const row of await journal.withIds(ids)) {
        // Put it behind all others, so that every payment has its turn.
        waiting.delete(row.id);
        if (!isDecided(row)) waiting.set(row.id, row.batchId);
        else {
          results.push(outcomeIn(row, prefix));
          if (row.state === "settled" || row.state === "settled-elsewhere") settled += 1;
          else notSettled += 1;
        }
      }
      await flush();
      return waiting.size;
    },
    open: () => waiting.size,
    standing: () => {
      const batches = [...waiting.values()].filter((batch) => batch !== undefined);
      const queued = waiting.size - batches.length;
      return { queued, inFlight: batches.length, transactions: new Set(batches).size, settled, notSettled };
    },
    close: async () => {
      await flush();
      await file.close();
    },
  };
}

function outcomeIn(row: PaymentRow, prefix: string): WatchOutcome {
  const { id, chainId, work, source } = row;
  const network = networkOf(chainId)?.caip2 ?? `eip155:${chainId}`;
  const terms = work.kind === "authorization" ? work.authorization : undefined;
  const { token, from, to, value, nonce } = terms ?? {};
  return {
    id,
    source: source?.slice(prefix.length),
    network,
    token,
    from,
    to,
    value,
    nonce,
    ...outcomeOf(row, "now"),
  };
}

async function openLog(path: string): Promise<FileHandle> {
  try {
    return await openForAppending(path);
  } catch (cause) {
    if (cause instanceof ForeignFileError) {
      throw new WatchError("results", `${cause.shortMessage} Nothing was sent.`, { hint: cause.hint ?? "", cause });
    }
    const code = cause instanceof Error && "code" in cause ? String(cause.code) : String(cause);
    throw new WatchError("results", `The results cannot be written to ${path}; nothing was sent.`, {
      details: code,
      hint: "Fix the folder's permissions, or name another place.",
      cause,
    });
  }
}

/**
 * Reads what the file holds: ids above `above`, and the last refused lines. A last line that a crash cut short is
 * removed.
 */
async function readWritten(file: FileHandle, above: number): Promise<{ ids: Set<number>; refused: Set<string> }> {
  const ids = new Set<number>();
  const refused = new Set<string>();
  const split = createLineSplitter();
  const block = Buffer.alloc(65_536);
  let end = 0;
  for (let offset = 0; ; ) {
    const { bytesRead } = await file.read(block, 0, block.length, offset);
    if (bytesRead === 0) break;
    offset += bytesRead;
    for (const { text, after } of split.push(block.subarray(0, bytesRead))) {
      end = after.offset;
      note(text);
    }
  }
  if (split.end() !== undefined) await file.truncate(end);
  return { ids, refused };

  function note(text: string | undefined): void {
    try {
      const line: unknown = JSON.parse(text ?? "");
      if (typeof line !== "object" || line === null) return;
      if ("id" in line && typeof line.id === "number" && line.id > above) ids.add(line.id);
      if ("at" in line && typeof line.at === "string") refused.add(line.at);
      const [oldest] = refused;
      if (refused.size > KEPT_REFUSALS && oldest !== undefined) refused.delete(oldest);
    } catch {
      // The line is not ours: it stays as it is.
    }
  }
}

function lowest(numbers: Iterable<number>): number {
  let least = Number.POSITIVE_INFINITY;
  for (const number of numbers) if (number < least) least = number;
  return least;
}

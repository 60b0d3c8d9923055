import { watch as watchFolder } from "node:fs";
import { readdir } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { isMissing } from "../../../files.ts";
import type { Journal } from "../../../journal/index.ts";
import { chunks } from "../../../lists.ts";
import { createLineSplitter, readNewLines, type TailedLine, type TailPosition } from "./tail.ts";
import { type TakeInPort, takeIn } from "./takeIn.ts";

/** What the readers work with. */
export type ReadPort = TakeInPort & { readonly journal: Journal };

/** How many lines are verified and stored together. After each group it is noted how far the file was read. */
const LINES_AT_ONCE = 200;
const POLL_FOLDER_MS = 1_000;

/** Takes in the lines of a folder's `*.jsonl` files as they grow, until `signal` aborts. */
export async function readFolder(port: ReadPort, folder: string): Promise<void> {
  let wake = new AbortController();
  const watcher = watchFolder(folder, () => wake.abort());
  // The folder is also looked at regularly, because some file systems report no changes.
  watcher.on("error", () => undefined);
  try {
    while (!port.signal.aborted) {
      wake = new AbortController();
      for (const name of (await readdir(folder)).filter((file) => file.endsWith(".jsonl")).sort()) {
        if (port.signal.aborted) return;
        await readFile(port, folder, name);
      }
      await port.clock.sleep(POLL_FOLDER_MS, AbortSignal.any([wake.signal, port.signal]));
    }
  } finally {
    watcher.close();
  }
}

async function readFile(port: ReadPort, folder: string, name: string): Promise<void> {
  const cursor = `consumed:${port.prefix}${name}`;
  const known = await port.journal.cursor(cursor);
  const position: TailPosition | undefined = known === undefined ? undefined : JSON.parse(known);
  let chunk: TailedLine[] = [];
  const flush = async (): Promise<void> => {
    const last = chunk.at(-1);
    if (last === undefined || !(await takeIn(port, name, chunk))) return;
    await port.journal.setCursor(cursor, JSON.stringify(last.after));
    chunk = [];
  };
  try {
    for await (const line of readNewLines(join(folder, name), position)) {
      chunk.push(line);
      if (chunk.length === LINES_AT_ONCE) await flush();
      if (port.signal.aborted) return;
    }
    await flush();
  } catch (error) {
    if (!isMissing(error)) throw error;
    // It was removed since the folder was listed.
  }
}

/** Takes in the lines of a stream until it ends, or until `signal` aborts, which destroys the stream. */
export async function readStream(port: ReadPort, stream: Readable): Promise<void> {
  const { signal } = port;
  const split = createLineSplitter();
  const stop = (): unknown => stream.destroy();
  signal.addEventListener("abort", stop, { once: true });
  try {
    for await (const chunk of stream) {
      await takeAll(port, [...split.push(typeof chunk === "string" ? Buffer.from(chunk) : chunk)]);
      if (signal.aborted) return;
    }
    const last = split.end();
    if (last !== undefined) await takeAll(port, [last]);
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    signal.removeEventListener("abort", stop);
  }
}

async function takeAll(port: ReadPort, lines: readonly TailedLine[]): Promise<void> {
  for (const some of chunks(lines, LINES_AT_ONCE)) if (!port.signal.aborted) await takeIn(port, "-", some);
}

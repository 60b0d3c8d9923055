import { type FileHandle, open } from "node:fs/promises";
import { MAX_LINE_BYTES } from "../../../authorization/index.ts";

/** How much of a file was read, in whole lines. The inode tells a new file of the same name from one that grew. */
export type TailPosition = { readonly inode: number; readonly offset: number; readonly line: number };

/**
 * A whole line of a growing file, and where the next one begins. `text` is undefined if the line cannot be read as
 * text.
 */
export type TailedLine = {
  readonly line: number;
  readonly text: string | undefined;
  readonly problem: string | undefined;
  readonly after: TailPosition;
};

const BLOCK_BYTES = 65_536;
const LINE_FEED = 0x0a;

/**
 * Reads whole lines after `position`, up to what the file holds now. A last line without a line end is left for the
 * next time. A file that was replaced or is shorter than before is read from its start.
 */
export async function* readNewLines(
  path: string,
  position: TailPosition | undefined,
): AsyncGenerator<TailedLine, void> {
  const file = await open(path, "r");
  try {
    const { ino: inode, size } = await file.stat();
    const known = position?.inode === inode && size >= position.offset ? position : { inode, offset: 0, line: 0 };
    if (size === known.offset) return;
    yield* linesFrom(file, known);
  } finally {
    await file.close();
  }
}

async function* linesFrom(file: FileHandle, start: TailPosition): AsyncGenerator<TailedLine, void> {
  const split = createLineSplitter(start);
  const block = Buffer.alloc(BLOCK_BYTES);
  for (let offset = start.offset; ; ) {
    const { bytesRead } = await file.read(block, 0, BLOCK_BYTES, offset);
    if (bytesRead === 0) return;
    offset += bytesRead;
    yield* split.push(block.subarray(0, bytesRead));
  }
}

/** Splits bytes that come in pieces into lines. It never holds more than the longest allowed line. */
export function createLineSplitter(start: TailPosition = { inode: 0, offset: 0, line: 0 }) {
  let { offset, line } = start;
  let parts: Buffer[] = [];
  let held = 0;

  function* push(bytes: Uint8Array): Generator<TailedLine, void> {
    let from = 0;
    for (let end = bytes.indexOf(LINE_FEED); end !== -1; end = bytes.indexOf(LINE_FEED, from)) {
      keep(bytes.subarray(from, end));
      from = end + 1;
      yield finish(1);
    }
    keep(bytes.subarray(from));
  }

  function keep(part: Uint8Array): void {
    held += part.length;
    if (held > MAX_LINE_BYTES) parts = [];
    else if (part.length > 0) parts.push(Buffer.from(part));
  }

  function finish(lineEnd: number): TailedLine {
    offset += held + lineEnd;
    line += 1;
    const after = { inode: start.inode, offset, line };
    const tooLong = held > MAX_LINE_BYTES;
    const text = tooLong ? undefined : decode(Buffer.concat(parts), line);
    parts = [];
    held = 0;
    const problem = tooLong
      ? `has more than ${MAX_LINE_BYTES} bytes.`
      : text === undefined
        ? "is not UTF-8 text."
        : undefined;
    return { line, text, problem, after };
  }

  return {
    push,
    /** The last line, if the input ended without a line end. */
    end: (): TailedLine | undefined => (held === 0 ? undefined : finish(0)),
  };
}

function decode(bytes: Uint8Array, line: number): string | undefined {
  try {
    // Only at the start of a file is a byte order mark one.
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: line !== 1 }).decode(bytes).trim();
  } catch {
    return undefined;
  }
}

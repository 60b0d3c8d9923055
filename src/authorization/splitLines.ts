/** One line of a stream without its line end, or a line that was too long to keep. */
export type SplitLine =
  | { readonly line: number; readonly status: "read"; readonly bytes: Uint8Array }
  | { readonly line: number; readonly status: "too-long" };

const lineFeed = 0x0a;

/**
 * Splits a stream at line feeds, counting lines from 1. It never holds more than `maxBytes` of a line: a longer line is
 * dropped as it comes and reported, and reading goes on with the next. The bytes of a line are valid until the next
 * line is asked for.
 */
export async function* splitLines(
  source: AsyncIterable<Uint8Array | string>,
  maxBytes: number,
): AsyncGenerator<SplitLine> {
  let line = 1;
  let parts: Uint8Array[] = [];
  let held = 0;
  let tooLong = false;

  const keep = (part: Uint8Array, copy: boolean): void => {
    if (tooLong || part.length === 0) return;
    if (held + part.length > maxBytes) {
      tooLong = true;
      parts = [];
      held = 0;
      return;
    }
    parts.push(copy ? part.slice() : part);
    held += part.length;
  };
  const finish = (): SplitLine => {
    const [only] = parts;
    const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
    const finished: SplitLine = tooLong ? { line, status: "too-long" } : { line, status: "read", bytes };
    line += 1;
    parts = [];
    held = 0;
    tooLong = false;
    return finished;
  };

  for await (const chunk of encodeChunks(source)) {
    let start = 0;
    for (let end = chunk.indexOf(lineFeed); end !== -1; end = chunk.indexOf(lineFeed, start)) {
      keep(chunk.subarray(start, end), false);
      yield finish();
      start = end + 1;
    }
    // A copy, so that the rest of a large chunk is not kept alive, and a source that reuses its buffer does not change
    // it.
    keep(chunk.subarray(start), true);
  }
  if (held > 0 || tooLong) yield finish();
}

/** Strings as UTF-8. A surrogate pair that is split between two chunks stays together. */
async function* encodeChunks(source: AsyncIterable<Uint8Array | string>): AsyncGenerator<Uint8Array> {
  const encoder = new TextEncoder();
  let pending = "";
  for await (const chunk of source) {
    if (typeof chunk === "string") {
      const text = pending + chunk;
      pending = /[\uD800-\uDBFF]$/.test(text) ? text.slice(-1) : "";
      yield encoder.encode(text.slice(0, text.length - pending.length));
    } else {
      yield new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    }
  }
  if (pending !== "") yield encoder.encode(pending);
}

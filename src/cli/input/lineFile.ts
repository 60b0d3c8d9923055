import { link, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { draftBeside, openNew, syncFolder } from "../../files.ts";
import { UsageError } from "../exit/errors.ts";
import { isOutputClosed, streamLine } from "../output/output.ts";

/** Where the lines of a command go: a new file, or stdout. */
export type LineSink = {
  readonly write: (line: string) => Promise<void>;
  /** Whether nobody takes any more lines. */
  readonly isClosed: () => boolean;
  /** Puts the file in its place; without it there is no file. */
  readonly finish: () => Promise<void>;
  /** Removes what was written so far. */
  readonly discard: () => Promise<void>;
};

const BUFFERED_CHARACTERS = 65_536;

/**
 * Writes lines to `file`, which appears only when all of them are there, and for its owner only. Without a file, writes
 * to stdout.
 *
 * @throws UsageError if the file cannot be written, also from `finish` if it exists by then and `replace` is false.
 */
export async function openLines(file: string | undefined, replace: boolean): Promise<LineSink> {
  if (file === undefined) {
    return { write: streamLine, isClosed: isOutputClosed, finish: nothing, discard: nothing };
  }
  const draft = draftBeside(file);
  const attempt = <T>(doing: Promise<T>): Promise<T> =>
    doing.catch((cause: unknown) => {
      throw unwritable(file, cause);
    });
  const handle = await attempt(openNew(draft));
  let buffered = "";
  const flush = async (): Promise<void> => {
    const text = buffered;
    buffered = "";
    await attempt(handle.appendFile(text));
  };
  return {
    write: async (line) => {
      buffered += `${line}\n`;
      if (buffered.length >= BUFFERED_CHARACTERS) await flush();
    },
    isClosed: () => false,
    finish: async () => {
      await flush();
      await attempt(handle.sync());
      await handle.close();
      // Unlike a rename, a link never replaces a file that is there.
      await attempt(replace ? rename(draft, file) : link(draft, file));
      await rm(draft, { force: true });
      await syncFolder(dirname(file));
    },
    discard: async () => {
      await handle.close();
      await rm(draft, { force: true });
    },
  };
}

async function nothing(): Promise<void> {}

function unwritable(file: string, cause: unknown): UsageError {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : undefined;
  if (code === "EEXIST") {
    return new UsageError(`${file} exists and was left as it is.`, {
      hint: "Choose another name, or pass --force to replace it.",
      cause,
    });
  }
  return new UsageError(`${file} cannot be written.`, { ...(code === undefined ? {} : { details: code }), cause });
}

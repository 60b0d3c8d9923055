import { link, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { draftBeside, openNew, syncFolder } from "../../files.ts";
import { UsageError } from "../exit/errors.ts";
import { isOutputClosed, streamLine } from "../output/output.ts";

/** The destination of a command's lines: a new file, or stdout. */
export type LineSink = {
  readonly write: (line: string) => Promise<void>;
  /** Whether the reader is gone. */
  readonly isClosed: () => boolean;
  /** Puts the file in its place. Before that, there is no file. */
  readonly finish: () => Promise<void>;
  /** Removes what was written. */
  readonly discard: () => Promise<void>;
};

const BUFFERED_CHARACTERS = 65_536;

/**
 * Writes lines to `file`, or to stdout if there is none. The file appears only when it is complete, and only its owner
 * can read it.
 *
 * @throws UsageError if the file cannot be written. `finish` throws it too if the file exists and `replace` is false.
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
      // Unlike a rename, a link never replaces an existing file.
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

import { closeSync, fsyncSync, ftruncateSync, renameSync, rmSync, writeSync } from "node:fs";
import { ForeignFileError, openDraft } from "../../files.ts";
import { type RefusedLine, serialiseRefusedLine, serialiseResult } from "../../settlement/job/results.ts";
import { CommandError, UsageError } from "../exit/errors.ts";
import { EXIT } from "../process/exitCodes.ts";
import type { LineResult } from "./input.ts";

/** The file of a job's results. Its space on the disk is reserved. */
export type ResultsFile = {
  readonly path: string;
  /**
   * Writes every line's result, in the order of the lines, and puts the file in its place once it is complete on disk.
   * @throws CommandError if the disk still refuses it.
   */
  readonly write: (results: readonly LineResult[], refused: readonly RefusedLine[]) => void;
  /** Gives the space back if there is nothing to write. An older file at `path` stays. */
  readonly discard: () => void;
};

/** A line of the results takes about 600 bytes. */
const BYTES_PER_LINE = 768;
const CHUNK_BYTES = 1_048_576;

/**
 * Opens a draft of the results beside `path` and fills it with as many bytes as `lines` results may take, so that a
 * read-only folder or a full disk is found before anything is sent. The draft of a killed run is replaced; a link or
 * another user's file in its place is refused.
 * @throws UsageError if that fails.
 */
export function reserveResults(path: string, lines: number): ResultsFile {
  const draft = `${path}.part`;
  let file: number | undefined;
  try {
    file = openDraft(draft);
    const blank = Buffer.alloc(CHUNK_BYTES, "\n");
    for (let rest = lines * BYTES_PER_LINE; rest > 0; rest -= CHUNK_BYTES) {
      writeAll(file, blank.subarray(0, Math.min(rest, CHUNK_BYTES)));
    }
    fsyncSync(file);
  } catch (cause) {
    if (file !== undefined) drop(file, draft);
    if (cause instanceof ForeignFileError) throw unsafe(cause);
    throw new UsageError(`The results cannot be written to ${path}; nothing was sent.`, {
      details: codeOf(cause),
      hint: "Free some disk space, fix the folder's permissions, or name another place with --out.",
      cause,
    });
  }
  const open = file;
  return {
    path,
    write: (results, refused) => {
      const lines = [...results, ...refused].sort((a, b) => a.line - b.line);
      try {
        const bytes = writeLines(open, lines);
        ftruncateSync(open, bytes);
        fsyncSync(open);
        closeSync(open);
        renameSync(draft, path);
      } catch (cause) {
        throw new CommandError(`The results could not be written to ${path}.`, EXIT.unknown, {
          details: codeOf(cause),
          hint: "Fix that and run the command again: it settles nothing twice, and then writes them.",
          cause,
        });
      }
    },
    discard: () => drop(open, draft),
  };
}

function unsafe({ shortMessage, hint }: ForeignFileError): UsageError {
  return new UsageError(`${shortMessage} Nothing was sent.`, hint === undefined ? {} : { hint });
}

/** Writes from the start of the file, some hundred lines at a time, and returns the number of bytes. */
function writeLines(file: number, lines: readonly (LineResult | RefusedLine)[]): number {
  const perChunk = 500;
  let position = 0;
  for (let i = 0; i < lines.length; i += perChunk) {
    const texts = lines.slice(i, i + perChunk).map((line) => {
      return `${"outcome" in line ? serialiseResult(line) : serialiseRefusedLine(line)}\n`;
    });
    const bytes = Buffer.from(texts.join(""));
    writeAll(file, bytes, position);
    position += bytes.length;
  }
  return position;
}

function writeAll(file: number, bytes: Uint8Array, position?: number): void {
  for (let written = 0; written < bytes.length; ) {
    const at = position === undefined ? null : position + written;
    written += writeSync(file, bytes, written, bytes.length - written, at);
  }
}

function drop(file: number, draft: string): void {
  try {
    closeSync(file);
  } catch {
    // It is closed already, or gone from the disk.
  }
  rmSync(draft, { force: true });
}

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

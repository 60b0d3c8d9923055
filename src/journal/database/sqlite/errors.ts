import { JournalError } from "../../ports/errors.ts";
import type { WorkerFailure } from "./protocol.ts";

// Primary result codes, https://sqlite.org/rescode.html
const BUSY = 5;
const LOCKED = 6;
const READONLY = 8;
const IOERR = 10;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const CONSTRAINT = 19;
const NOTADB = 26;

/** An error of SQLite, as it came from its thread. */
export class SqliteFailure extends Error {
  override readonly name = "SqliteFailure";
  /** The extended result code; its low byte is the primary one. */
  readonly code: number | undefined;

  constructor({ code, message }: WorkerFailure) {
    super(message);
    this.code = code;
  }
}

/** Whether another connection held the lock: nothing was done, and asking again may help. */
export function isBusy(error: unknown): boolean {
  const code = primaryCode(error);
  return code === BUSY || code === LOCKED;
}

/** Turns an error of SQLite into one of the journal. Other errors stay as they are. */
export function fromSqlite(error: unknown, path: string): unknown {
  if (!(error instanceof SqliteFailure)) return error;
  const options = (hint: string) => ({ details: `${path}: ${error.message}`, hint, cause: error });
  switch (primaryCode(error)) {
    case BUSY:
    case LOCKED:
      return new JournalError(
        "busy",
        "Another process kept the journal locked.",
        options(
          "Find the process that has the file open (lsof): let it go on if it is stopped, or end it, which loses nothing.",
        ),
      );
    case READONLY:
      return new JournalError(
        "read-only",
        "The journal cannot be written.",
        options("Fix the permissions of the file."),
      );
    case FULL:
      return new JournalError("full", "The journal's disk is full.", options("Free some space and start again."));
    case CORRUPT:
    case NOTADB:
      return new JournalError(
        "corrupt",
        "The journal's file is damaged, or is not a journal.",
        options("Restore it from a backup, or give another path; what settled is found on the chain by its nonces."),
      );
    case IOERR:
    case CANTOPEN:
      return new JournalError(
        "unavailable",
        "The journal cannot be opened or read.",
        options("Look at the path, its permissions and the disk."),
      );
    case CONSTRAINT:
      return new JournalError(
        "invalid",
        "What was to be stored contradicts the journal.",
        options("This is a fault of the caller: read the payments and batches concerned again."),
      );
    default:
      return new JournalError("unavailable", "The journal failed.", options("Read the details."));
  }
}

function primaryCode(error: unknown): number | undefined {
  return error instanceof SqliteFailure && error.code !== undefined ? error.code & 0xff : undefined;
}

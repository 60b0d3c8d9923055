import { TributaryError } from "../../errors.ts";

/** What kept the journal from doing what was asked. */
export type JournalErrorKind =
  /** It cannot be reached or opened just now. Nothing was written. */
  | "unavailable"
  /** The database went away during a commit: whether it took place can only be found out by reading. */
  | "indeterminate"
  /** Others held its locks for too long. Nothing was written. */
  | "busy"
  /** Its disk or its size limit is full. Nothing was written. */
  | "full"
  | "read-only"
  /** What it holds cannot be read as a journal. */
  | "corrupt"
  /** A newer version of Tributary wrote it. */
  | "newer-version"
  /** What was asked for contradicts the journal or cannot be stored: a fault of the caller. */
  | "invalid"
  | "closed";

/** A journal that cannot do what was asked. `kind` says why, the hint how to mend it; no half of the request was stored. */
export class JournalError extends TributaryError {
  override readonly name = "JournalError";
  readonly kind: JournalErrorKind;

  constructor(
    kind: JournalErrorKind,
    shortMessage: string,
    options: { details?: string; hint?: string; cause?: unknown } = {},
  ) {
    super(shortMessage, options);
    this.kind = kind;
  }
}

/** Faults of the journal itself, which say nothing against what was asked of it. */
const OUTAGES: ReadonlySet<JournalErrorKind> = new Set([
  ...(["unavailable", "indeterminate", "busy", "full", "read-only", "corrupt", "closed"] as const),
]);

/** Whether an error says that the journal does not work just now: what was asked may be asked again later. */
export function isOutage(error: unknown): error is JournalError {
  return error instanceof JournalError && OUTAGES.has(error.kind);
}

/** Of a method that is called after `close`. */
export function closedError(): JournalError {
  return new JournalError("closed", "The journal is closed.", { hint: "Open it again, or close it later." });
}

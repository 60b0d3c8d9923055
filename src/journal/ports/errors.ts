import { TributaryError } from "../../errors.ts";

/** What kept the journal from doing what was asked. */
export type JournalErrorKind =
  /** It cannot be reached or opened just now. Nothing was written. */
  | "unavailable"
  /** The database went away during a commit. Only reading tells whether the commit took place. */
  | "indeterminate"
  /** Others held its locks for too long. Nothing was written. */
  | "busy"
  /** Its disk or its size limit is full. Nothing was written. */
  | "full"
  | "read-only"
  /** Its contents cannot be read as a journal. */
  | "corrupt"
  /** A newer version of Tributary wrote it. */
  | "newer-version"
  /** The request contradicts the journal or cannot be stored: the caller's fault. */
  | "invalid"
  | "closed";

/** A journal that cannot do what was asked. `kind` says why, and the hint how to fix it. */
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

/** Faults of the journal itself. They say nothing against the request. */
const OUTAGES: ReadonlySet<JournalErrorKind> = new Set([
  ...(["unavailable", "indeterminate", "busy", "full", "read-only", "corrupt", "closed"] as const),
]);

/** Whether an error says that the journal does not work just now, so that the same request may be made again later. */
export function isOutage(error: unknown): error is JournalError {
  return error instanceof JournalError && OUTAGES.has(error.kind);
}

/** The error of a method that is called after `close`. */
export function closedError(): JournalError {
  return new JournalError("closed", "The journal is closed.", { hint: "Open it again, or close it later." });
}

import { JournalError } from "../../ports/errors.ts";

// https://www.postgresql.org/docs/18/errcodes-appendix.html
const SERIALIZATION_FAILURE = "40001";
const DEADLOCK_DETECTED = "40P01";
const LOCK_NOT_AVAILABLE = "55P03";
const UNIQUE_VIOLATION = "23505";
/** Mostly the statement timeout. */
const QUERY_CANCELED = "57014";

/**
 * Whether the transaction was rolled back because of a concurrent one. If it runs again, it sees what the other one
 * did.
 */
export function isTransient(error: unknown): boolean {
  const code = codeOf(error);
  return (
    code === SERIALIZATION_FAILURE ||
    code === DEADLOCK_DETECTED ||
    code === LOCK_NOT_AVAILABLE ||
    // Somebody committed the same key meanwhile. On the next attempt the operation sees it and answers with a conflict.
    code === UNIQUE_VIOLATION
  );
}

/** Whether the server could not be reached or ended the connection. */
export function isDisconnect(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = codeOf(error);
  if (code === undefined) return /connection|timeout/i.test(error.message);
  return code.startsWith("08") || code.startsWith("57P") || code === "25P03" || /^E[A-Z]+$/.test(code);
}

/** Turns a failure into an error of the journal, without the password and without the rows that PostgreSQL quotes. */
export function fromPostgres(error: unknown, password: string, committing: boolean): unknown {
  if (!(error instanceof Error) || error instanceof JournalError) return error;
  const code = codeOf(error);
  const message = password === "" ? error.message : error.message.replaceAll(password, "***");
  const details = code === undefined ? message : `${message} (${code})`;
  const options = (hint: string) => ({ details, hint });
  if (isDisconnect(error)) {
    if (committing) {
      return new JournalError(
        "indeterminate",
        "The connection to the database was lost during a commit, so its outcome is unknown.",
        options("Read whether it was stored, then try again."),
      );
    }
    return new JournalError(
      "unavailable",
      "The database cannot be reached.",
      options("Check the address of the database and its server, then open the journal again."),
    );
  }
  if (code === undefined) return error;
  if (code === QUERY_CANCELED || (isTransient(error) && code !== UNIQUE_VIOLATION)) {
    return new JournalError("busy", "The database's locks were held for too long.", options("Try again."));
  }
  if (code === "25006" || code === "42501") {
    return new JournalError(
      "read-only",
      "The database does not let this user write.",
      options("Grant the user the right to create and write tables, or connect to the primary server."),
    );
  }
  if (code.startsWith("53")) {
    return new JournalError(
      "full",
      "The database has run out of a resource.",
      options("Free disk space or connections."),
    );
  }
  if (code.startsWith("28") || code.startsWith("3D")) {
    return new JournalError(
      "unavailable",
      "The database refused the connection.",
      options("Check the user, the password and the name of the database in its address."),
    );
  }
  if (code.startsWith("XX")) {
    return new JournalError("corrupt", "The database is damaged.", options("Restore it from a backup."));
  }
  if (code.startsWith("22") || code.startsWith("23")) {
    return new JournalError(
      "invalid",
      "What was to be stored contradicts the journal.",
      options("This is a fault of the caller: read the payments and batches concerned again."),
    );
  }
  return new JournalError("unavailable", "The database failed.", options("Read the details."));
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && "code" in error && typeof error.code === "string" ? error.code : undefined;
}

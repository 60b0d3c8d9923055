import type { JournalError } from "./errors.ts";

/** Whether the journal works. */
export type HealthJournal = {
  /**
   * Why the last write failed, or a read that found no database, from memory; undefined once a write succeeds. A full disk
   * stays its fault until a probe succeeds, since a small write may still find room; a damaged file until it is opened again.
   */
  readonly fault: () => JournalError | undefined;
  /** Writes 64 KiB, durably, and takes that back: rejects where nothing could be accepted now. */
  readonly probe: () => Promise<void>;
};

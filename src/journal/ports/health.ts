import type { JournalError } from "./errors.ts";

/** Whether the journal works. */
export type HealthJournal = {
  /**
   * Why the last write failed, or a read that could not reach the database. It is answered from memory, and undefined
   * once a write succeeds. A full disk stays the fault until a probe succeeds, since a small write may still find room.
   * A damaged file stays the fault until the journal is opened again.
   */
  readonly fault: () => JournalError | undefined;
  /** Writes 64 KiB, durably, and takes that back. It rejects if the journal could not accept anything now. */
  readonly probe: () => Promise<void>;
};

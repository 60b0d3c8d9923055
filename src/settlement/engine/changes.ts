import type { Clock } from "../../clock.ts";
import type { BatchJournal } from "../../journal/ports/batches.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import type { PaymentJournal, PaymentRow, Transition } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { Queue } from "../dispatch/schedule.ts";

/** The only way in which this engine moves payments and learns that they were moved. */
export type Changes = {
  /** Tells every listener where payments stand, whoever moved them. */
  readonly note: (rows: readonly PaymentRow[]) => void;
  /** Moves those payments that are in the states that the transitions expect. */
  readonly apply: (transitions: readonly Transition[]) => Promise<readonly PaymentRow[]>;
  /** Stores a batch's conclusion, and moves its payments. */
  readonly conclude: (lease: Lease, conclusion: Parameters<Journal["concludeBatch"]>[1]) => Promise<void>;
};

/** A part of the engine that must know where payments stand. */
export type RowListener = { readonly note: (row: PaymentRow) => void };

export function createChanges(port: {
  readonly journal: PaymentJournal & BatchJournal;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Gets the due payments that this engine has put back into the queue. */
  readonly queue: Queue;
  /** Called each time, because some listeners are created later than this. */
  readonly listeners: () => readonly RowListener[];
}): Changes {
  const { journal, clock, logger, queue } = port;

  function note(rows: readonly PaymentRow[]): void {
    for (const listener of port.listeners()) for (const row of rows) listener.note(row);
  }

  function noteMoved(rows: readonly PaymentRow[]): void {
    note(rows);
    const nowMs = clock.now();
    const due = rows.filter(({ state, nextTryAtMs }) => state === "queued" && nextTryAtMs <= nowMs);
    if (due.length > 0) queue.add({ count: due.length, deadlineSeconds: earliest(due), sinceMs: nowMs });
  }

  return {
    note,
    apply: async (transitions) => {
      if (transitions.length === 0) return [];
      const rows = await journal.transition(transitions, clock.now());
      noteMoved(rows);
      return rows;
    },
    conclude: async (lease, conclusion) => {
      const answer = await journal.concludeBatch(lease, conclusion, clock.now());
      if (answer === "fenced") {
        logger.error("lost the sending key before a batch was concluded", { batch: conclusion.batchId });
        return;
      }
      const ids = conclusion.transitions.map(({ paymentId }) => paymentId);
      noteMoved(await journal.withIds(ids));
    },
  };
}

function earliest(rows: readonly PaymentRow[]): bigint | undefined {
  return rows.reduce<bigint | undefined>((least, { deadlineSeconds }) => {
    return least === undefined || deadlineSeconds < least ? deadlineSeconds : least;
  }, undefined);
}

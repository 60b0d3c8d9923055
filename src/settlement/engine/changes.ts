import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import type { PaymentRow, Transition } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { Queue } from "../dispatch/schedule.ts";

/** The only way by which this engine moves payments, and hears that they were moved. */
export type Changes = {
  /** Tells every listener how payments stand, whoever moved them. */
  readonly note: (rows: readonly PaymentRow[]) => void;
  /** Moves payments, as far as they are where the transitions expect them. */
  readonly apply: (transitions: readonly Transition[]) => Promise<readonly PaymentRow[]>;
  /** Stores what a batch has come to, and moves its payments. */
  readonly conclude: (lease: Lease, conclusion: Parameters<Journal["concludeBatch"]>[1]) => Promise<void>;
};

/** Keeps something that depends on how payments stand. */
export type RowListener = { readonly note: (row: PaymentRow) => void };

export function createChanges(port: {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Takes what this engine has put back into the queue and is due. */
  readonly queue: Queue;
  /** Asked anew each time, because some of them are made later than this. */
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

import type { Hex } from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { Clock } from "../../clock.ts";
import type { BatchJournal } from "../../journal/ports/batches.ts";
import type { PaymentJournal } from "../../journal/ports/payments.ts";
import {
  isDecided,
  isOnItsWay,
  OPEN_STATES,
  type PaymentRow,
  type PaymentState,
} from "../../journal/ports/payments.ts";
import { chunks } from "../../lists.ts";
import { lastTransaction } from "../outcome/lastTransaction.ts";
import { DUPLICATE, type JobPayment, type PaymentOutcome, type PaymentResult } from "../outcome/results.ts";
import { isPutOff, outcomeOf } from "./rows.ts";

/**
 * What a job knows of its payments. A payment is named by its position in the input. Memory holds one outcome of each.
 */
export type JobLedger<Payment extends JobPayment = JobPayment> = {
  readonly authorizationAt: (position: number) => SignedAuthorization;
  /** The positions of payments that have no outcome and wait for no row of the journal. */
  readonly rest: () => number[];
  readonly decided: () => number;
  readonly decide: (position: number, outcome: PaymentOutcome) => void;
  /**
   * Takes a payment's outcome from its row in the journal, or waits for that row if it is not decided. A second payment
   * with the same row is a duplicate.
   */
  readonly takeUp: (position: number, row: PaymentRow) => void;
  /** Waits for a row, whatever state it was in. */
  readonly waitFor: (position: number, row: PaymentRow) => void;
  readonly open: () => number;
  /** Looks at some of the open payments, and at the next ones the next time. */
  readonly look: () => Promise<void>;
  /** How long nothing has happened to any of the payments, in milliseconds. */
  readonly idleMs: () => number;
  /**
   * Whether all open payments were put off, and either nothing happened for `ms`, or none of them is due within `ms` of
   * the last change.
   */
  readonly isPutOffFor: (ms: number) => boolean;
  /** Every payment's result when the job ends. Payments that no engine has get the outcome `notSent`. */
  readonly results: (notSent: PaymentOutcome) => Promise<PaymentResult<Payment>[]>;
};

/** The longest time between two looks, in milliseconds. */
export const LOOK_MS = 200;
const STATES: readonly PaymentState[] = OPEN_STATES;
/** How many rows are looked at in one go. */
const LOOK_AT_ONCE = 2_000;

export function createJobLedger<Payment extends JobPayment>(
  { journal, clock }: { readonly journal: PaymentJournal & BatchJournal; readonly clock: Clock },
  payments: readonly Payment[],
): JobLedger<Payment> {
  const outcomes = new Array<PaymentOutcome | undefined>(payments.length).fill(undefined);
  /** The payments that wait for their outcome: row id to position. */
  const open = new Map<number, number>();
  /** Rows whose payments an earlier run had sent already. */
  const sentBefore = new Set<number>();
  /** How far each open payment had come at the last look, as a number. If it stays the same, nothing has happened. */
  const seen = new Map<number, number>();
  /** When the payments that were put off are tried again. */
  const putOff = new Map<number, number>();
  /** The rows that belong to payments of this job. */
  const taken = new Set<number>();
  let decided = 0;
  let changedAtMs = clock.now();

  /**
   * The first outcome of each transaction. Payments of one transaction share its hash and block number, to save memory.
   */
  const shared = new Map<Hex, PaymentOutcome & { status: "settled" }>();
  const sharing = (outcome: PaymentOutcome): PaymentOutcome => {
    if (outcome.status !== "settled") return outcome;
    const first = shared.get(outcome.transactionHash);
    if (first === undefined) shared.set(outcome.transactionHash, outcome);
    const { transactionHash, blockNumber } = first ?? outcome;
    return blockNumber === outcome.blockNumber ? { ...outcome, transactionHash, blockNumber } : outcome;
  };

  const decide = (position: number, outcome: PaymentOutcome): void => {
    outcomes[position] = sharing(outcome);
    decided += 1;
    changedAtMs = clock.now();
  };
  /** Whether the payment is the first with this row. If it is not, it is decided as a duplicate. */
  const isFirst = (position: number, { id }: PaymentRow): boolean => {
    if (taken.has(id)) {
      decide(position, DUPLICATE);
      return false;
    }
    taken.add(id);
    return true;
  };
  const waitFor = (position: number, row: PaymentRow): void => {
    if (!isFirst(position, row)) return;
    open.set(row.id, position);
    changedAtMs = clock.now();
  };
  const whenSent = ({ id }: PaymentRow) => (sentBefore.has(id) ? "before" : "now");

  function note(row: PaymentRow, position: number): void {
    open.delete(row.id);
    putOff.delete(row.id);
    if (isDecided(row)) {
      seen.delete(row.id);
      decide(position, outcomeOf(row, whenSent(row)));
      return;
    }
    // Put it behind all others, so that every payment has its turn.
    open.set(row.id, position);
    if (isPutOff(row)) putOff.set(row.id, row.nextTryAtMs);
    const now = isPutOff(row) ? -1 : row.tries * STATES.length + STATES.indexOf(row.state);
    if (seen.get(row.id) === now) return;
    seen.set(row.id, now);
    changedAtMs = clock.now();
  }

  return {
    authorizationAt: (position) => paymentAt(payments, position).authorization,
    rest: () => {
      const waiting = new Set(open.values());
      return [...payments.keys()].filter((position) => outcomes[position] === undefined && !waiting.has(position));
    },
    decided: () => decided,
    decide,
    takeUp: (position, row) => {
      if (isOnItsWay(row)) sentBefore.add(row.id);
      if (!isDecided(row)) waitFor(position, row);
      else if (isFirst(position, row)) decide(position, outcomeOf(row, "before"));
    },
    waitFor,
    open: () => open.size,
    look: async () => {
      for (const row of await journal.withIds(firstOf(open.keys(), LOOK_AT_ONCE))) {
        const position = open.get(row.id);
        if (position !== undefined) note(row, position);
      }
    },
    idleMs: () => clock.now() - changedAtMs,
    isPutOffFor: (ms) => {
      if (open.size !== putOff.size) return false;
      if (clock.now() - changedAtMs >= ms) return true;
      for (const nextTryAtMs of putOff.values()) if (nextTryAtMs <= changedAtMs + ms) return false;
      return true;
    },
    results: async (notSent) => {
      const last = [...outcomes];
      for (const some of chunks([...open.keys()], LOOK_AT_ONCE)) {
        for (const row of await journal.withIds(some)) {
          const position = open.get(row.id);
          if (position === undefined) continue;
          // After a reorg the evidence names a block but no transaction.
          const sentIn = isOnItsWay(row) ? await lastTransaction(journal, row) : undefined;
          last[position] = outcomeOf(row, whenSent(row), sentIn);
        }
      }
      return payments.map((payment, position) => ({ ...payment, outcome: last[position] ?? notSent }));
    },
  };
}

function paymentAt(payments: readonly JobPayment[], position: number): JobPayment {
  const payment = payments[position];
  if (payment === undefined) throw new Error(`there is no payment ${position}`);
  return payment;
}

function firstOf<T>(items: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const item of items) {
    if (first.length === count) break;
    first.push(item);
  }
  return first;
}

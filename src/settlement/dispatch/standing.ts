import { type AuthorizationRow, isAuthorization, isOnItsWay, type PaymentRow } from "../../journal/ports/payments.ts";
import type { Strikes } from "../outcome/strikes.ts";

// Bounds how many payments of one payer are on their way at once. A payer who moves their money away makes all of them
// fail, and each failure costs gas. So a payer starts with a few. Once more than those have settled, as many may be on
// their way as have settled since the last failure: beyond the first few, a payer never burns more than was spent on
// settling for them before.

export type Standing = {
  /** A payment as it is now. */
  readonly note: (row: PaymentRow) => void;
  /** Payments that are on their way from now on. */
  readonly sent: (rows: readonly AuthorizationRow[]) => void;
  /** The payments for which their payers have room, in the given order. */
  readonly within: (rows: readonly AuthorizationRow[], strikes: Strikes) => readonly AuthorizationRow[];
};

/** The most payers whose settled payments are counted: those that settled last. */
const MAX_PAYERS = 20_000;

/** @param few How many payments of an unknown payer may be on their way at once; undefined for no bound. */
export function createStanding(few: number | undefined): Standing {
  /** Payments on their way, by payer. */
  const inFlight = new Map<string, Set<number>>();
  const settled = new Map<string, number>();
  const payerOf = ({ work }: AuthorizationRow): string => work.authorization.from.toLowerCase();

  const add = (payer: string, id: number): void => {
    const ids = inFlight.get(payer) ?? new Set<number>();
    inFlight.set(payer, ids.add(id));
  };
  const remember = (payer: string, count: number): void => {
    settled.delete(payer);
    if (count > 0) settled.set(payer, count);
    const [oldest] = settled.size > MAX_PAYERS ? settled.keys() : [];
    if (oldest !== undefined) settled.delete(oldest);
  };

  return {
    note: (row) => {
      if (few === undefined || !isAuthorization(row)) return;
      const payer = payerOf(row);
      if (isOnItsWay(row)) {
        add(payer, row.id);
        return;
      }
      const ids = inFlight.get(payer);
      if (ids === undefined || !ids.delete(row.id)) return;
      if (ids.size === 0) inFlight.delete(payer);
      if (row.state === "settled") remember(payer, (settled.get(payer) ?? 0) + 1);
      // After a failure the payer starts again. A payment that goes back to the queue says nothing about its payer.
      else if (row.state !== "queued" && row.state !== "settled-elsewhere") remember(payer, 0);
    },
    sent: (rows) => {
      if (few !== undefined) for (const row of rows) add(payerOf(row), row.id);
    },
    within: (rows, strikes) => {
      if (few === undefined) return rows;
      const room = new Map<string, number>();
      return rows.filter((row) => {
        const payer = payerOf(row);
        const least = strikes.has(payer) ? 1 : few;
        const left = room.get(payer) ?? Math.max(least, settled.get(payer) ?? 0) - (inFlight.get(payer)?.size ?? 0);
        room.set(payer, left - 1);
        return left > 0;
      });
    },
  };
}

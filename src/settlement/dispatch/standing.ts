import type { PaymentRow, PaymentState } from "../../journal/ports/payments.ts";
import type { Strikes } from "../outcome/strikes.ts";

// How much of one payer may be on its way at once. Whatever is on its way may fail together when the payer moves their money
// away in one transaction, each at the price of a failed payment. So a payer begins with a few, and with each payment that
// settles may have one more: beyond those few, they can never burn more than what was spent on settling for them before.

export type Standing = {
  /** A payment as it is now. */
  readonly note: (row: PaymentRow) => void;
  /** Payments that are on their way from now on. */
  readonly sent: (rows: readonly PaymentRow[]) => void;
  /** Those of these payments, in their order, for which their payers have room. */
  readonly within: (rows: readonly PaymentRow[], strikes: Strikes) => readonly PaymentRow[];
};

/** So many payers are remembered with what they settled, at most: the ones that settled last. */
const MAX_PAYERS = 20_000;

const onTheWay: ReadonlySet<PaymentState> = new Set(["batched", "submitted"]);

/** @param few How many payments of a payer of whom nothing is known may be on their way; undefined for no bound. */
export function createStanding(few: number | undefined): Standing {
  /** Payments on their way, by payer. */
  const inFlight = new Map<string, Set<number>>();
  const settled = new Map<string, number>();
  const payerOf = ({ work }: PaymentRow): string | undefined =>
    work.kind === "authorization" ? work.authorization.from.toLowerCase() : undefined;

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
      const payer = few === undefined ? undefined : payerOf(row);
      if (payer === undefined) return;
      if (onTheWay.has(row.state)) {
        add(payer, row.id);
        return;
      }
      const ids = inFlight.get(payer);
      if (ids === undefined || !ids.delete(row.id)) return;
      if (ids.size === 0) inFlight.delete(payer);
      if (row.state === "settled") remember(payer, (settled.get(payer) ?? 0) + 1);
      // Whoever let one fail begins anew. What goes back to the queue says nothing of its payer.
      else if (row.state !== "queued" && row.state !== "settled-elsewhere") remember(payer, 0);
    },
    sent: (rows) => {
      for (const row of rows) {
        const payer = few === undefined ? undefined : payerOf(row);
        if (payer !== undefined) add(payer, row.id);
      }
    },
    within: (rows, strikes) => {
      if (few === undefined) return rows;
      const room = new Map<string, number>();
      return rows.filter((row) => {
        const payer = payerOf(row);
        if (payer === undefined) return true;
        const least = strikes.has(payer) ? 1 : few;
        const left = room.get(payer) ?? Math.max(least, settled.get(payer) ?? 0) - (inFlight.get(payer)?.size ?? 0);
        room.set(payer, left - 1);
        return left > 0;
      });
    },
  };
}

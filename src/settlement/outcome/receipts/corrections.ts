import type { BatchRow } from "../../../journal/ports/batches.ts";
import { transactionOf } from "../../../journal/ports/evidence.ts";
import { isOnItsWay, type PaymentRow, type Transition } from "../../../journal/ports/payments.ts";
import type { Conclusion } from "./conclude.ts";

/** A payment whose state is not what its batch's receipt says, and what it should become. */
export type Correction = { readonly payment: PaymentRow; readonly transition: Transition };

/**
 * Compares a later reading of a mined batch's receipt with the journal. It finds settlements that were taken for
 * something else, and other outcomes that were taken for settlements. Other differences say nothing about whether money
 * moved. Pure.
 */
export function findCorrections(
  batch: Pick<BatchRow, "id">,
  { receipt, transitions }: Conclusion,
  carried: readonly PaymentRow[],
): Correction[] {
  const byId = new Map(carried.map((payment) => [payment.id, payment]));
  return transitions.flatMap(({ batchId: _, ...transition }) => {
    const payment = byId.get(transition.paymentId);
    // The batch that it is on its way in decides about it.
    if (payment === undefined || isOnItsWay(payment)) return [];
    const wasHere =
      payment.state === "settled" && payment.batchId === batch.id && transactionOf(payment) === receipt.hash;
    const isWrong = transition.to === "settled" ? payment.state !== "settled" : wasHere;
    return isWrong ? [{ payment, transition: { ...transition, from: [payment.state] } }] : [];
  });
}

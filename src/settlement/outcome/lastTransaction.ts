import type { Hex } from "viem";
import type { BatchJournal } from "../../journal/ports/batches.ts";
import { transactionOf } from "../../journal/ports/evidence.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";

/** The transaction that decided a payment, or the last one that it was sent in. */
export async function lastTransaction(journal: Pick<BatchJournal, "batch">, row: PaymentRow): Promise<Hex | undefined> {
  const named = transactionOf(row);
  if (named !== undefined || row.batchId === undefined) return named;
  return (await journal.batch(row.batchId))?.attempts.at(-1)?.hash;
}

import type { Hex } from "viem";
import type { BatchRow } from "../../journal/ports/batches.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";

/**
 * Where a payment is in the transaction that settled it: it has this index, from 0, among `size` payments of the batch
 * `id`. `logIndex` is the index of its Transfer log in the block, or in the part of it that was built when it was preconfirmed.
 */
export type BatchPlace = {
  readonly id: Hex;
  readonly index: number;
  readonly size: number;
  readonly logIndex: number;
  readonly authorizationNonce: Hex;
};

/** How many batches are remembered. The payments of one batch are answered at the same moment. */
const REMEMBERED = 32;

/** Reads the places of settled payments from the journal. Undefined if the transaction was not ours. */
export function createPlaces(journal: Pick<Journal, "batch">): (row: PaymentRow) => Promise<BatchPlace | undefined> {
  const batches = new Map<string, Promise<BatchRow | undefined>>();

  /** The batch that has this attempt. Remembering it is safe, because a mined attempt does not change. */
  async function batchWith(id: Hex, hash: Hex): Promise<BatchRow | undefined> {
    const key = `${id} ${hash}`;
    const known = batches.get(key);
    if (known !== undefined) return known;
    const read = journal.batch(id);
    batches.set(key, read);
    const [oldest] = batches.keys();
    if (batches.size > REMEMBERED && oldest !== undefined) batches.delete(oldest);
    read.catch(() => batches.delete(key));
    return read;
  }

  return async ({ id, evidence, batchId, work }) => {
    if (evidence.kind !== "transfer" && evidence.kind !== "preconfirmation") return undefined;
    if (batchId === undefined || work.kind !== "authorization") return undefined;
    const batch = await batchWith(batchId, evidence.transactionHash);
    const attempt = batch?.attempts.find(({ hash }) => hash === evidence.transactionHash);
    if (batch === undefined || attempt === undefined) return undefined;
    return {
      id: batch.id,
      index: attempt.paymentIds.indexOf(id),
      size: attempt.paymentIds.length,
      logIndex: evidence.logIndex,
      authorizationNonce: work.authorization.nonce,
    };
  };
}

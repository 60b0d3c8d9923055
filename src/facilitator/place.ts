import type { Hex } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import type { PaymentRow, Store } from "../settlement/store/types.ts";

/** Where a payment is in the transaction that settled it, which it shares with others. `logIndex` is its Transfer's. */
export type BatchPlace = {
  readonly id: Hex;
  readonly index: number;
  readonly size: number;
  readonly logIndex: number;
  readonly authorizationNonce: Hex;
};

/** Reads a settled payment's place from the journal; undefined where another transaction than ours settled it. */
export async function placeOf(
  { store }: { readonly store: Store },
  { id, evidence, batchId, work }: PaymentRow,
  { nonce }: SignedAuthorization,
): Promise<BatchPlace | undefined> {
  if (evidence.kind !== "transfer" || batchId === undefined || work.kind !== "authorization") return undefined;
  const batch = await store.batch(batchId as Hex);
  const attempt = batch?.attempts.find(({ hash }) => hash === evidence.transactionHash);
  if (batch === undefined || attempt === undefined) return undefined;
  return {
    id: batch.id,
    index: attempt.paymentIds.indexOf(id),
    size: attempt.paymentIds.length,
    logIndex: evidence.logIndex,
    authorizationNonce: nonce,
  };
}

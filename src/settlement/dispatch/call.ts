import type { Address, Hex } from "viem";
import { encodeTransfer } from "../../authorization/encode.ts";
import type { PlannedBatch } from "../../batch/index.ts";
import type { PreparedCall } from "../../chain/sending/preflight.ts";
import { encodeSettle } from "../../router/index.ts";

/** The call that carries a batch, whoever sends it. */
export type BatchCall = Omit<PreparedCall, "from">;

/**
 * A planned batch as a call: of the router, or of the token if it is a direct transfer of one payment.
 * @param router Undefined if this chain has none. Then every batch is one payment.
 */
export function batchCallOf(batch: PlannedBatch, router: Address | undefined, batchId: Hex): BatchCall {
  const gas = batch.gasLimit;
  if (batch.kind === "direct" || router === undefined) {
    const [item] = batch.items;
    if (item === undefined || batch.items.length !== 1) throw new Error("a direct transfer carries one payment");
    const overload = item.form === "wide" ? item.overload : "vrs";
    return { to: batch.token, data: encodeTransfer(item.authorization, overload), gas };
  }
  const data = encodeSettle({ token: batch.token, batchId, gasAllowance: batch.gasAllowance, items: batch.items });
  return { to: router, data, gas };
}

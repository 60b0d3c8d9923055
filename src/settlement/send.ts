import type { Address, Hex, LocalAccount } from "viem";
import { authorizationId } from "../authorization/identity.ts";
import type { PlannedBatch } from "../batch/index.ts";
import type { ChainClient } from "../chain/client.ts";
import { suggestFees } from "../chain/fees.ts";
import { encodeTransfer, type PreparedCall, preflightAuthorization, preflightBatch } from "../chain/preflight.ts";
import { broadcast, type SignedTransaction, signTransaction } from "../chain/submit.ts";
import type { Refusal } from "../router/index.ts";
import { encodeSettle } from "../router/index.ts";
import { batchIdOf } from "./batchId.ts";
import type { SentTransaction } from "./journal.ts";

/** A planned batch as a call: of the router, or of the token where it is one payment. */
export function callOf(
  batch: PlannedBatch,
  router: Address | undefined,
  from: Address,
): PreparedCall & { batchId: Hex } {
  const authorizations = batch.items.map(({ authorization }) => authorization);
  const batchId = batchIdOf(authorizations);
  const [first] = batch.items;
  if (batch.kind === "direct" || router === undefined) {
    if (first === undefined || batch.items.length !== 1) throw new Error("a direct transfer carries one payment");
    const overload = first.form === "wide" ? first.overload : "vrs";
    return { from, to: batch.token, data: encodeTransfer(first.authorization, overload), gas: batch.gasLimit, batchId };
  }
  const data = encodeSettle({ token: batch.token, batchId, gasAllowance: batch.gasAllowance, items: batch.items });
  return { from, to: router, data, gas: batch.gasLimit, batchId };
}

/**
 * What the token would refuse of a batch if it were mined now, by position: one eth_call for the batch, and one for each
 * item that fails in it, to hear why.
 */
export async function preflight(
  client: ChainClient,
  batch: PlannedBatch,
  call: PreparedCall,
): Promise<Map<number, Refusal>> {
  const refusals = new Map<number, Refusal>();
  const failed = batch.kind === "direct" ? [0] : [...(await preflightBatch(client, call)).failed];
  await Promise.all(
    failed.map(async (index) => {
      const item = batch.items[index];
      if (item === undefined) return;
      // The same gas as in the batch, so that code which burns it is found out here.
      const gas = 21_000n + 50_000n + (item.form === "wide" ? item.gasAllowance : batch.gasAllowance);
      const refusal = await preflightAuthorization(client, item.authorization, { from: call.from, gas });
      if (refusal !== undefined) refusals.set(index, refusal);
      else if (batch.kind === "router") refusals.set(index, failsInBatch);
    }),
  );
  return refusals;
}

const failsInBatch: Refusal = {
  reason: "refused",
  message: "fails beside the other payments of its batch",
  data: "0x",
};

/**
 * Signs a call, hands it to `keep` (which must have it on disk when it returns), and only then broadcasts it.
 * @throws TransactionRefusedError where the node certainly did not take it.
 */
export async function send(
  client: ChainClient,
  account: LocalAccount,
  batch: PlannedBatch,
  call: PreparedCall & { batchId: Hex },
  options: { txNonce: number; maxFeePerGas?: bigint; keep: (sent: SentTransaction) => void },
): Promise<SignedTransaction> {
  const fees = await suggestFees(client, options.maxFeePerGas);
  const { to, data, gas } = call;
  const signed = await signTransaction(client, account, { to, data, gas, txNonce: options.txNonce, fees });
  options.keep({
    ...signed,
    chainId: client.chain.id,
    batch: batch.kind === "router" ? { router: to, batchId: call.batchId } : undefined,
    ids: batch.items.map(({ authorization }) => authorizationId(authorization)),
  });
  await broadcast(client, signed);
  return signed;
}

import type { Address, Hex, LocalAccount } from "viem";
import { authorizationId } from "../authorization/identity.ts";
import type { PlannedBatch } from "../batch/index.ts";
import type { ChainClient } from "../chain/client.ts";
import { suggestFees } from "../chain/fees.ts";
import { encodeTransfer, type PreparedCall } from "../chain/preflight.ts";
import { broadcast, signTransaction } from "../chain/submit.ts";
import { encodeSettle } from "../router/index.ts";
import { batchIdOf } from "./batchId.ts";
import type { SentTransaction } from "./journal.ts";

/** A batch as a call of the router, or of the token where it is one payment. */
export type BatchCall = PreparedCall & { readonly batchId: Hex };

/** A planned batch as a call: of the router, or of the token where it is one payment. */
export function callOf(batch: PlannedBatch, router: Address | undefined, from: Address): BatchCall {
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
 * Signs a call, hands it to `keep` (which must have it on disk when it returns), and only then broadcasts it.
 * @throws TransactionRefusedError where the node certainly did not take it; ChainUnavailableError before it is signed;
 * what `keep` throws, before it is broadcast.
 */
export async function send(
  client: ChainClient,
  account: LocalAccount,
  batch: PlannedBatch,
  call: BatchCall,
  options: { txNonce: number; maxFeePerGas?: bigint | undefined; keep: (sent: SentTransaction) => void },
): Promise<SentTransaction> {
  const fees = await suggestFees(client, options.maxFeePerGas);
  const { to, data, gas } = call;
  const signed = await signTransaction(client, account, { to, data, gas, txNonce: options.txNonce, fees });
  const sent: SentTransaction = {
    ...signed,
    chainId: client.chain.id,
    batch: batch.kind === "router" ? { router: to, batchId: call.batchId } : undefined,
    ids: batch.items.map(({ authorization }) => authorizationId(authorization)),
  };
  options.keep(sent);
  await broadcast(client, signed);
  return sent;
}

import { type Address, encodeAbiParameters, type Hex, keccak256, type LocalAccount } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Fees } from "../../chain/fees/fees.ts";
import { signTransaction } from "../../chain/sending/submit.ts";
import type { Attempt } from "../../journal/ports/batches.ts";
import type { Composition } from "./types.ts";

/** Signs a composition as an attempt that no node has seen yet. */
export async function signAttempt(
  client: ChainClient,
  account: LocalAccount,
  transaction: {
    readonly txNonce: number;
    readonly composition: Composition;
    readonly fees: Fees;
    readonly nowMs: number;
  },
): Promise<Attempt> {
  const { txNonce, composition, fees, nowMs } = transaction;
  const { to, data, gas, kind, router, payments } = composition;
  const { hash, raw } = await signTransaction(client, account, { to, data, gas, txNonce, fees });
  const { maxFeePerGas, maxPriorityFeePerGas } = fees;
  const paymentIds = payments.map(({ id }) => id);
  const times = { createdAtMs: nowMs, broadcastAtMs: undefined };
  return { hash, raw, gas, maxFeePerGas, maxPriorityFeePerGas, paymentIds, kind, router, ...times };
}

/** A transaction that only spends its txNonce. */
export function noop(to: Address): Composition {
  return { kind: "noop", to, data: "0x", gas: 21_000n, router: undefined, payments: [] };
}

/**
 * A batch's id, which is also its label on chain: a hash of the key, the txNonce that it spends and the time when it
 * was made.
 */
export function newBatchId(
  { chainId, sender }: { readonly chainId: number; readonly sender: Address },
  txNonce: number,
  nowMs: number,
): Hex {
  const types = [{ type: "uint256" }, { type: "address" }, { type: "uint256" }, { type: "uint256" }] as const;
  return keccak256(encodeAbiParameters(types, [BigInt(chainId), sender, BigInt(txNonce), BigInt(nowMs)]));
}

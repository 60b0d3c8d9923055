import {
  type Address,
  type Hex,
  keccak256,
  type LocalAccount,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import { ask, unavailable } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { ChainUnavailableError } from "../errors.ts";
import type { Fees } from "../fees/fees.ts";

/** A transaction that is signed and not yet broadcast. Its hash is final: keep it before the bytes leave. */
export type SignedTransaction = {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly txNonce: number;
  readonly from: Address;
};

/** Signs a transaction with an explicit gas limit: an estimate is useless for a batch whose items may fail. */
export async function signTransaction(
  client: ChainClient,
  account: LocalAccount,
  transaction: { to: Address; data: Hex; gas: bigint; txNonce: number; fees: Fees },
): Promise<SignedTransaction> {
  const raw = await account.signTransaction({
    type: "eip1559",
    chainId: client.chain.id,
    to: transaction.to,
    data: transaction.data,
    gas: transaction.gas,
    nonce: transaction.txNonce,
    maxFeePerGas: transaction.fees.maxFeePerGas,
    maxPriorityFeePerGas: transaction.fees.maxPriorityFeePerGas,
  });
  return { hash: keccak256(raw), raw, txNonce: transaction.txNonce, from: account.address };
}

/** The next txNonce of an account, counting transactions that wait in the mempool. */
export async function nextTxNonce(client: ChainClient, address: Address): Promise<number> {
  return ask(`the transaction count of ${address}`, client.getTransactionCount({ address, blockTag: "pending" }));
}

/** The receipt of a transaction, or undefined if the node has none (yet). */
export async function findReceipt(client: ChainClient, hash: Hex): Promise<TransactionReceipt | undefined> {
  let receipt: TransactionReceipt;
  try {
    receipt = await client.getTransactionReceipt({ hash });
  } catch (error) {
    if (error instanceof TransactionReceiptNotFoundError) return undefined;
    throw unavailable(`the receipt of ${hash}`, error);
  }
  if (receipt.transactionHash === hash) return receipt;
  throw new ChainUnavailableError(`The node returned another transaction's receipt than that of ${hash}.`, {
    hint: "Use another node: this one cannot be relied on.",
  });
}

import {
  type Address,
  type Hex,
  keccak256,
  type LocalAccount,
  type TransactionReceipt,
  TransactionReceiptNotFoundError,
} from "viem";
import { ask, describeFailure, unavailable } from "./ask.ts";
import type { ChainClient } from "./client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "./errors.ts";
import type { Fees } from "./fees.ts";

/** A transaction that is signed and not yet broadcast. Its hash is final: keep it before the bytes leave. */
export type SignedTransaction = {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly txNonce: number;
  readonly from: Address;
};

/** Signs a transaction with an explicit gas limit: an estimate is worth nothing on a batch whose items may fail. */
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

/** The next txNonce of an account, transactions that wait in the mempool counted. */
export async function nextTxNonce(client: ChainClient, address: Address): Promise<number> {
  return ask(`the transaction count of ${address}`, client.getTransactionCount({ address, blockTag: "pending" }));
}

/**
 * Hands signed bytes to the node. Returning means: assume that they are out. A time-out or any answer that is not a
 * certain refusal is such a case, because the node may have taken the transaction before the answer was lost.
 * @throws TransactionRefusedError where the node said for certain that it did not take them.
 */
export async function broadcast(client: ChainClient, { raw }: SignedTransaction): Promise<void> {
  try {
    await client.sendRawTransaction({ serializedTransaction: raw });
  } catch (error) {
    const refusal = classifyRefusal(error);
    if (refusal === undefined) return;
    throw new TransactionRefusedError(refusal.message, { hint: refusal.hint, details: describeFailure(error) });
  }
}

/** What is known of a transaction that was broadcast. */
export type Inclusion =
  | { readonly status: "mined"; readonly receipt: TransactionReceipt }
  /** Another transaction of the same sender was mined under its txNonce: it can never be mined. */
  | { readonly status: "replaced" }
  /** Neither, yet. Not a failure. */
  | { readonly status: "unknown" };

/** Waits for a transaction to be mined, `timeoutMs` at most. A node that does not answer is asked again. */
export async function awaitInclusion(
  client: ChainClient,
  transaction: Pick<SignedTransaction, "hash" | "txNonce" | "from">,
  { timeoutMs }: { readonly timeoutMs: number },
): Promise<Inclusion> {
  const end = Date.now() + timeoutMs;
  for (;;) {
    const inclusion = await findInclusion(client, transaction).catch(() => ({ status: "unknown" }) as const);
    if (inclusion.status !== "unknown" || Date.now() + client.pollingInterval > end) return inclusion;
    await new Promise((resolve) => setTimeout(resolve, client.pollingInterval));
  }
}

/**
 * What the node knows of a transaction now.
 * @throws ChainUnavailableError where it does not answer.
 */
export async function findInclusion(
  client: ChainClient,
  { hash, txNonce, from }: Pick<SignedTransaction, "hash" | "txNonce" | "from">,
): Promise<Inclusion> {
  const receipt = await findReceipt(client, hash);
  if (receipt !== undefined) return { status: "mined", receipt };
  const mined = await ask(
    `the transaction count of ${from}`,
    client.getTransactionCount({ address: from, blockTag: "latest" }),
  );
  if (mined <= txNonce) return { status: "unknown" };
  // Mined between the two questions? A receipt decides; its absence now means that another transaction took the txNonce.
  const late = await findReceipt(client, hash);
  return late === undefined ? { status: "replaced" } : { status: "mined", receipt: late };
}

/** The receipt of a transaction, or undefined where the node has none (yet). */
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
    hint: "Use another node (--rpc-url, RPC_URL): this one cannot be relied on.",
  });
}

/** What nodes (geth, op-geth, reth, anvil, EDR) say when they certainly did not take a transaction. */
const refusals: readonly { readonly says: RegExp; readonly message: string; readonly hint: string }[] = [
  {
    says: /insufficient funds|doesn't have enough funds|insufficient balance/i,
    message: "The sender cannot pay for the transaction's gas.",
    hint: "Send ether to the sender's address, then run the command again.",
  },
  {
    says: /intrinsic gas too (low|high)|requires at least \d+ gas|exceeds (the )?(block|transaction) gas limit|gas limit too high|gas limit of .* exceeds|exceeds (transaction )?gas cap/i,
    message: "The transaction's gas limit is more than this chain allows.",
    hint: "Lower --max-gas.",
  },
  {
    says: /max fee per gas less than block base fee|fee cap less than block base fee|too low to be included|underpriced/i,
    message: "The offered fee is below what the chain asks now.",
    hint: "Raise --max-fee, or wait for the base fee to fall.",
  },
];

function classifyRefusal(error: unknown): (typeof refusals)[number] | undefined {
  const text = error instanceof Error ? `${error.message} ${"details" in error ? String(error.details) : ""}` : "";
  if (/already known|already imported|known transaction/i.test(text)) return undefined;
  return refusals.find(({ says }) => says.test(text));
}

import {
  type Address,
  type Hex,
  keccak256,
  recoverAddress,
  serializeTransaction,
  type Transaction,
  type TransactionSerializable,
} from "viem";

/**
 * Who signed a transaction, by its signature and not by the node's word. Undefined if it has none that can be checked.
 */
export async function transactionSigner(transaction: Transaction): Promise<Address | undefined> {
  const { r, s, yParity, v } = transaction;
  const unsigned = unsignedOf(transaction);
  if (unsigned === undefined || r === undefined || s === undefined) return undefined;
  const hash = keccak256(serializeTransaction(unsigned));
  const parity = yParity ?? (v === undefined ? undefined : Number((v + 1n) % 2n));
  if (parity === undefined) return undefined;
  try {
    return await recoverAddress({ hash, signature: { r, s, yParity: parity } });
  } catch {
    return undefined;
  }
}

function unsignedOf(transaction: Transaction): TransactionSerializable | undefined {
  const { to, value, nonce, gas, input: data, chainId } = transaction;
  const base = { to, value, nonce, gas, data: data as Hex, chainId } as const;
  const accessList = transaction.accessList ?? [];
  switch (transaction.type) {
    case "legacy":
      return { ...base, type: "legacy", gasPrice: transaction.gasPrice };
    case "eip2930":
      return { ...base, type: "eip2930", gasPrice: transaction.gasPrice, accessList, chainId: chainId ?? 0 };
    case "eip1559": {
      const { maxFeePerGas, maxPriorityFeePerGas } = transaction;
      return { ...base, type: "eip1559", maxFeePerGas, maxPriorityFeePerGas, accessList, chainId: chainId ?? 0 };
    }
    default:
      return undefined;
  }
}

import { type Address, type Hex, isHex } from "viem";

/** The fields of a block that are read here. Whatever else the node says of it is kept. */
export type RpcBlock = {
  readonly number: Hex;
  readonly hash: Hex;
  readonly timestamp: Hex;
  readonly transactions: readonly RpcTransaction[];
};

/** The fields of a transaction in a block that are read here. */
export type RpcTransaction = { readonly hash: Hex; readonly from: Address; readonly nonce: Hex };

/** The fields of a receipt that a subscription repeats. */
export type RpcReceipt = {
  readonly status: Hex;
  readonly gasUsed: Hex;
  readonly cumulativeGasUsed: Hex;
  readonly contractAddress: Address | null;
  readonly logs: readonly unknown[];
  readonly logsBloom: Hex;
};

/** Whether `value` is a block with its whole transactions. */
export function isBlock(value: unknown): value is RpcBlock {
  return (
    hasHex(value, "number", "hash", "timestamp") &&
    "transactions" in value &&
    Array.isArray(value.transactions) &&
    value.transactions.every((transaction) => hasHex(transaction, "hash", "from", "nonce"))
  );
}

export function isReceipt(value: unknown): value is RpcReceipt {
  return (
    hasHex(value, "status", "gasUsed", "cumulativeGasUsed", "logsBloom") &&
    "logs" in value &&
    Array.isArray(value.logs) &&
    "contractAddress" in value
  );
}

/** The number that a field of `value` holds; undefined if there is none. */
export function quantity(value: unknown, field: string): bigint | undefined {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined;
  return isHex(found) ? BigInt(found) : undefined;
}

function hasHex(value: unknown, ...fields: readonly string[]): value is object {
  return typeof value === "object" && value !== null && fields.every((field) => isHex(Reflect.get(value, field)));
}

import { type Address, type Hex, isHex } from "viem";
import { LocalChainError } from "./errors.ts";
import type { Request } from "./node.ts";

/** Sends a transaction from an account that the node signs for. */
export type Send = (transaction: { readonly from: Address; readonly to: Address; readonly data: Hex }) => Promise<void>;

const POLL_MILLISECONDS = 20;

/** Sends through the node, which assigns the txNonce, and waits until the transaction is in a block. */
export function sender(request: Request): Send {
  return async (transaction) => {
    const hash = await request("eth_sendTransaction", [{ ...transaction, gas: "0x100000" }]);
    if (!isHex(hash)) throw new LocalChainError("The chain gave no transaction hash.");
    for (;;) {
      const receipt = await request("eth_getTransactionReceipt", [hash]);
      const status = readField(receipt, "status");
      // A receipt may come before its block, and what it tells may change until then.
      const isInBlock = status !== undefined && (await hasBlock(request, readField(receipt, "blockNumber")));
      if (isInBlock && status === "0x1") return;
      if (isInBlock) {
        throw new LocalChainError("A transaction on the local chain reverted.", { details: hash });
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    }
  };
}

async function hasBlock(request: Request, number: unknown): Promise<boolean> {
  return (await request("eth_getBlockByNumber", [number, false])) !== null;
}

function readField(receipt: unknown, field: "status" | "blockNumber"): unknown {
  return typeof receipt === "object" && receipt !== null ? Reflect.get(receipt, field) : undefined;
}

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
      const status = readStatus(await request("eth_getTransactionReceipt", [hash]));
      if (status === "0x1") return;
      if (status !== undefined) {
        throw new LocalChainError("A transaction on the local chain reverted.", { details: hash });
      }
      await new Promise((resolve) => setTimeout(resolve, POLL_MILLISECONDS));
    }
  };
}

function readStatus(receipt: unknown): unknown {
  return typeof receipt === "object" && receipt !== null && "status" in receipt ? receipt.status : undefined;
}

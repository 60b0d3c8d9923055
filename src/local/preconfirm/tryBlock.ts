import { randomBytes } from "node:crypto";
import { type Hex, isHex } from "viem";
import { TributaryError } from "../../errors.ts";
import type { Request } from "../node/port.ts";
import type { Notifications } from "./notifications.ts";
import { isBlock, isReceipt, type RpcBlock, type RpcReceipt, type RpcTransaction } from "./rpcTypes.ts";

/** The block that is being built, as far as it is. */
export type BuiltBlock = {
  readonly block: RpcBlock;
  /** By hash, in the block's order. */
  readonly transactions: ReadonlyMap<string, Preconfirmed>;
};

/** A transaction with the receipt that it has so far. */
export type Preconfirmed = { readonly transaction: RpcTransaction; readonly receipt: RpcReceipt };

/**
 * Tells a tried block from the real one, which would otherwise have the same hash if nothing came after. The node puts
 * its own value back with the snapshot.
 */
const TRIED: Hex = `0x${randomBytes(32).toString("hex")}`;

/**
 * Mines the waiting transactions into a block, reads it, and takes it back with a snapshot. The mempool and the state are
 * as before. Nothing else may be asked of the node meanwhile.
 * @param timestamp The block's time. Undefined: the node decides.
 * @param before An earlier try with the same beginning, whose receipts are taken over.
 */
export async function tryBlock(
  request: Request,
  hiding: Notifications["hiding"],
  timestamp: bigint | undefined,
  before: BuiltBlock | undefined,
): Promise<BuiltBlock> {
  return hiding(async (hide) => {
    const snapshot = await request("evm_snapshot");
    try {
      await request("hardhat_setPrevRandao", [TRIED]);
      await request("evm_mine", timestamp === undefined ? [] : [Number(timestamp)]);
      const block = await request("eth_getBlockByNumber", ["latest", true]);
      if (!isBlock(block)) throw new TributaryError("The chain gave no block.");
      hide(block.hash);
      const known = [...(before?.transactions.values() ?? [])];
      const entries = block.transactions.map(async (transaction, index): Promise<[string, Preconfirmed]> => {
        const same = known[index]?.transaction.hash === transaction.hash ? known[index] : undefined;
        return [transaction.hash, { transaction, receipt: same?.receipt ?? (await readReceipt(request, transaction)) }];
      });
      return { block, transactions: new Map(await Promise.all(entries)) };
    } finally {
      await request("evm_revert", [snapshot]);
    }
  });
}

async function readReceipt(request: Request, { hash }: RpcTransaction): Promise<RpcReceipt> {
  const receipt = await request("eth_getTransactionReceipt", [hash]);
  if (!isReceipt(receipt)) throw new TributaryError("The chain gave no receipt.", { details: hash });
  return receipt;
}

/** The txNonce that follows the last of `address` in the block; undefined if the block has none of it. */
export function nextTxNonce({ transactions }: BuiltBlock, address: string): number | undefined {
  const own = [...transactions.values()].filter(
    ({ transaction }) => isHex(address) && sameAddress(transaction.from, address),
  );
  const last = own.at(-1);
  return last === undefined ? undefined : Number(last.transaction.nonce) + 1;
}

function sameAddress(one: string, other: string): boolean {
  return one.toLowerCase() === other.toLowerCase();
}

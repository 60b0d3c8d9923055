import type { Address } from "viem";
import type { Request } from "../node/port.ts";
import type { BuiltBlock } from "./tryBlock.ts";

/** Transactions that were taken back once are remembered, so that they are mined when they come again. */
const MOST_REMEMBERED = 10_000;

/**
 * Makes a function that drops a share of a block's transactions from the mempool. Those of the same sender behind one
 * stay there, and wait for its txNonce.
 * @param spared Nothing that this account sends is dropped.
 */
export function createTakeBack(request: Request, share: number, spared: Address): (block: BuiltBlock) => Promise<void> {
  const remembered = new Set<string>();
  return async ({ transactions }) => {
    if (share === 0) return;
    const waiting = new Set<string>();
    for (const [hash, { transaction }] of transactions) {
      const from = transaction.from.toLowerCase();
      if (from === spared.toLowerCase() || waiting.has(from)) continue;
      if (remembered.has(hash) || Math.random() >= share) continue;
      await request("hardhat_dropTransaction", [hash]);
      waiting.add(from);
      remembered.add(hash);
      const [oldest] = remembered;
      if (remembered.size > MOST_REMEMBERED && oldest !== undefined) remembered.delete(oldest);
    }
  };
}

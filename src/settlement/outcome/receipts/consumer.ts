import { type Address, type Hex, isAddressEqual } from "viem";
import type { ChainClient } from "../../../chain/client.ts";

/**
 * Finds the transaction that consumed a txNonce of `sender` at or below block `toBlock`: the block by bisection over
 * the account's transaction count, then the transaction in it.
 * @param fromBlock A block at which the txNonce was still free, as far as is known; the search starts there.
 * @returns Undefined if it is not consumed by `toBlock`, or the transaction is not in the block that was found.
 */
export async function findConsumer(
  client: ChainClient,
  query: { readonly sender: Address; readonly txNonce: number; readonly fromBlock: bigint; readonly toBlock: bigint },
): Promise<{ readonly hash: Hex; readonly blockNumber: bigint } | undefined> {
  const { sender, txNonce, toBlock } = query;
  const countAt = (blockNumber: bigint) => client.getTransactionCount({ address: sender, blockNumber });
  if (toBlock < 0n || (await countAt(toBlock)) <= txNonce) return undefined;

  let free = query.fromBlock > toBlock ? toBlock : query.fromBlock < 0n ? 0n : query.fromBlock;
  for (let step = 1n; free > 0n && (await countAt(free)) > txNonce; step *= 2n) free = free > step ? free - step : 0n;
  let consumed = toBlock;
  while (consumed - free > 1n) {
    const middle = (free + consumed) / 2n;
    if ((await countAt(middle)) > txNonce) consumed = middle;
    else free = middle;
  }
  const block = await client.getBlock({ blockNumber: consumed, includeTransactions: true });
  const transaction = block.transactions.find(({ from, nonce }) => nonce === txNonce && isAddressEqual(from, sender));
  return transaction === undefined ? undefined : { hash: transaction.hash, blockNumber: consumed };
}

import type { Address, Hex, TransactionReceipt } from "viem";
import type { ChainClient } from "../../../chain/client.ts";
import { readHorizon } from "../../../chain/horizon.ts";
import { findReceipt } from "../../../chain/sending/submit.ts";
import type { Attempt, BatchRow } from "../../../journal/ports/batches.ts";
import { findConsumer } from "./consumer.ts";

/** An attempt with its receipt, and how deep it is: 1 in the newest block, 0 if its block is not certain. */
export type MinedAttempt = {
  readonly attempt: Attempt;
  readonly depth: number;
  readonly receipt: TransactionReceipt;
};

/**
 * The attempt of a batch that is mined, if one is; it may be an older one. A receipt counts only with the block that it
 * names, because a node (or one of several behind one address) may still show the receipt of a block that is gone.
 * @param head The newest block. It may be asked for at the same time: the block of a receipt is not newer.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function findMined(
  client: ChainClient,
  batch: Pick<BatchRow, "attempts">,
  head: bigint | Promise<bigint>,
): Promise<MinedAttempt | undefined> {
  const found = await Promise.all(
    batch.attempts.map(async (attempt) => ({ attempt, receipt: await findReceipt(client, attempt.hash) })),
  );
  for (const { attempt, receipt } of found) {
    if (receipt === undefined) continue;
    const isThere = (await hashOfBlock(client, receipt.blockNumber)) === receipt.blockHash;
    const above = Number((await head) - receipt.blockNumber);
    return { attempt, receipt, depth: isThere ? Math.max(0, above) + 1 : 0 };
  }
  return undefined;
}

/** The hash of the block that has this number now; undefined if the node has none (yet). */
export async function hashOfBlock(client: ChainClient, blockNumber: bigint): Promise<Hex | undefined> {
  try {
    return (await client.getBlock({ blockNumber })).hash;
  } catch (error) {
    if (error instanceof Error && error.name === "BlockNotFoundError") return undefined;
    throw error;
  }
}

/** The transaction that consumed a batch's txNonce, once that is `lossConfirmations` deep, or final. */
export async function consumerOf(
  client: ChainClient,
  sender: Address,
  batch: Pick<BatchRow, "txNonce">,
  head: bigint,
  lossConfirmations: number,
): Promise<Hex | undefined> {
  const deep = head - BigInt(lossConfirmations - 1);
  const final = (await readHorizon(client))?.final ?? 0n;
  const toBlock = final > deep && final <= head ? final : deep;
  const query = { sender, txNonce: batch.txNonce, fromBlock: toBlock - 64n, toBlock };
  return (await findConsumer(client, query))?.hash;
}

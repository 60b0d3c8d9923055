import { type Hex, isHex, toEventSelector } from "viem";
import type { ChainClient } from "../chain/client.ts";
import { type BlockRange, inPieces, readLogs } from "../chain/tokenLogs.ts";
import { BATCH_SETTLEMENT_ADDRESS as address } from "../channels/index.ts";

/** Events after which a channel is not what it was, claims and deposits apart. */
const TOPICS = [
  toEventSelector("WithdrawInitiated(bytes32,uint128,uint40)"),
  toEventSelector("WithdrawFinalized(bytes32,address,uint128)"),
  toEventSelector("Refunded(bytes32,address,uint128)"),
];

/**
 * Goes through the contract's withdrawals and refunds in a range of blocks, in pieces that a node answers. `found` is told
 * of the channels in each piece before the next one is asked for.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function followWithdrawals(
  client: ChainClient,
  range: BlockRange,
  found: (channelIds: readonly Hex[], upTo: bigint) => Promise<void>,
): Promise<void> {
  await inPieces(range, async (piece) => {
    const logs = await readLogs(client, address, piece, [TOPICS]);
    const ids = logs.map(({ topics }) => topics[1]).filter((id) => isHex(id));
    await found([...new Set(ids)], piece.to);
    return logs.length;
  });
}

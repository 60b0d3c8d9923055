import { type Address, type Hex, isHex, toEventSelector } from "viem";
import { ask } from "../chain/ask.ts";
import type { ChainClient } from "../chain/client.ts";
import { MULTICALL3_ADDRESS } from "../chain/multicall3.ts";
import { type BlockRange, inPieces, readLogs } from "../chain/tokenLogs.ts";
import { batchSettlementAbi as abi } from "../channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS as address } from "../channels/index.ts";

/** What the contract knows of a channel that a keeper has something at stake in. */
export type ChainChannel = {
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** `initiatedAt` in Unix seconds, 0 where there is none. */
  readonly withdrawal: { readonly amount: bigint; readonly initiatedAt: number };
};

/** Channels per eth_call. */
const PER_CALL = 250;

/**
 * What the contract knows of channels, in their order.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function readChannels(client: ChainClient, channelIds: readonly Hex[]): Promise<readonly ChainChannel[]> {
  const found: ChainChannel[] = [];
  for (let start = 0; start < channelIds.length; start += PER_CALL) {
    const ids = channelIds.slice(start, start + PER_CALL);
    const options = { multicallAddress: MULTICALL3_ADDRESS, allowFailure: false, batchSize: 0 } as const;
    const [states, withdrawals] = await ask(
      "channels",
      Promise.all([
        client.multicall({
          ...options,
          contracts: ids.map((id) => ({ address, abi, functionName: "channels", args: [id] }) as const),
        }),
        client.multicall({
          ...options,
          contracts: ids.map((id) => ({ address, abi, functionName: "pendingWithdrawals", args: [id] }) as const),
        }),
      ]),
    );
    for (const [i, [balance, totalClaimed]] of states.entries()) {
      const [amount, initiatedAt] = withdrawals[i] ?? [0n, 0];
      found.push({ balance, totalClaimed, withdrawal: { amount, initiatedAt } });
    }
  }
  return found;
}

/**
 * What is claimed and not swept, of each of these.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function readUnsweptOf(
  client: ChainClient,
  receivers: readonly { readonly receiver: Address; readonly token: Address }[],
): Promise<readonly bigint[]> {
  if (receivers.length === 0) return [];
  const accounts = await ask(
    "what receivers have claimed",
    client.multicall({
      multicallAddress: MULTICALL3_ADDRESS,
      allowFailure: false,
      contracts: receivers.map(({ receiver, token }) => {
        return { address, abi, functionName: "receivers", args: [receiver, token] } as const;
      }),
    }),
  );
  return accounts.map(([claimed, settled]) => claimed - settled);
}

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

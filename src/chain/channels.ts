import type { Address, Hex } from "viem";
import { batchSettlementAbi as abi } from "../channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS, type ChannelState } from "../channels/index.ts";
import { ask } from "./ask.ts";
import type { ChainClient } from "./client.ts";
import { MULTICALL3_ADDRESS } from "./multicall3.ts";

/** Whether x402's channel contracts are on this chain. */
export async function hasChannels(client: ChainClient): Promise<boolean> {
  const code = await ask("an account's code", client.getCode({ address: BATCH_SETTLEMENT_ADDRESS }));
  return code !== undefined && code !== "0x";
}

/**
 * What the contract knows of a channel, all as of one block.
 * @param blockNumber The newest one where it is left out. A node that is behind it does not answer.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function readChannelState(
  client: ChainClient,
  channelId: Hex,
  blockNumber?: bigint,
): Promise<ChannelState> {
  const channel = { address: BATCH_SETTLEMENT_ADDRESS, abi, args: [channelId] } as const;
  const [[balance, totalClaimed], [, initiatedAt], refundNonce] = await ask(
    "a channel's state",
    client.multicall({
      multicallAddress: MULTICALL3_ADDRESS,
      allowFailure: false,
      ...(blockNumber === undefined ? {} : { blockNumber }),
      contracts: [
        { ...channel, functionName: "channels" },
        { ...channel, functionName: "pendingWithdrawals" },
        { ...channel, functionName: "refundNonce" },
      ],
    }),
  );
  return { balance, totalClaimed, withdrawRequestedAt: initiatedAt, refundNonce };
}

/**
 * What has been claimed of each channel in all, and what it holds.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function readClaimed(
  client: ChainClient,
  channelIds: readonly Hex[],
): Promise<readonly Pick<ChannelState, "balance" | "totalClaimed">[]> {
  const states = await ask(
    "what channels hold",
    client.multicall({
      multicallAddress: MULTICALL3_ADDRESS,
      allowFailure: false,
      contracts: channelIds.map((id) => {
        return { address: BATCH_SETTLEMENT_ADDRESS, abi, functionName: "channels", args: [id] } as const;
      }),
    }),
  );
  return states.map(([balance, totalClaimed]) => ({ balance, totalClaimed }));
}

/**
 * What a receiver was claimed and not sent yet, in atomic units of the token.
 * @throws ChainUnavailableError where the node does not answer.
 */
export async function readUnswept(client: ChainClient, receiver: Address, token: Address): Promise<bigint> {
  const [claimed, settled] = await ask(
    "what a receiver has claimed",
    client.readContract({
      address: BATCH_SETTLEMENT_ADDRESS,
      abi,
      functionName: "receivers",
      args: [receiver, token],
    }),
  );
  return claimed - settled;
}

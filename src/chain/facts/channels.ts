import type { Address, Hex } from "viem";
import { batchSettlementAbi as abi } from "../../channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS as address, type ChannelState } from "../../channels/index.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { MULTICALL3_ADDRESS } from "../multicall3.ts";

/** Whether x402's channel contracts are on this chain. */
export async function hasChannels(client: ChainClient): Promise<boolean> {
  const code = await ask("an account's code", client.getCode({ address }));
  return code !== undefined && code !== "0x";
}

/**
 * Reads what the contract knows of a channel, all at one block.
 * @param blockNumber By default the newest block. A node that does not have the block yet does not answer.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readChannelState(
  client: ChainClient,
  channelId: Hex,
  blockNumber?: bigint,
): Promise<ChannelState> {
  const channel = { address, abi, args: [channelId] } as const;
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

/** What the contract knows of a channel that somebody has something at stake in. */
export type ChainChannel = {
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /** `initiatedAt` in Unix seconds; 0 if there is no withdrawal. */
  readonly withdrawal: { readonly amount: bigint; readonly initiatedAt: number };
};

/** Channels per eth_call. */
const PER_CALL = 250;

/**
 * What the contract knows of channels, in their order.
 * @throws ChainUnavailableError if the node does not answer.
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
 * Reads what is claimed and not swept, for each of these receivers.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readUnswept(
  client: ChainClient,
  receivers: readonly ReceiverAccount[],
): Promise<readonly bigint[]> {
  const accounts = await ask("what receivers have claimed", readAccounts(client, receivers, {}));
  return accounts.map(({ claimed, swept }) => claimed - swept);
}

/**
 * Reads what was ever claimed for and swept to each of these receivers, at a block. Undefined if the node does not
 * answer, or does not have the state of that block: full nodes keep only the state of the last blocks.
 */
export async function readReceivers(
  client: ChainClient,
  receivers: readonly ReceiverAccount[],
  blockNumber: bigint,
): Promise<readonly { readonly claimed: bigint; readonly swept: bigint }[] | undefined> {
  return readAccounts(client, receivers, { blockNumber }).catch(() => undefined);
}

type ReceiverAccount = { readonly receiver: Address; readonly token: Address };

async function readAccounts(
  client: ChainClient,
  receivers: readonly ReceiverAccount[],
  at: { readonly blockNumber?: bigint },
) {
  if (receivers.length === 0) return [];
  const accounts = await client.multicall({
    multicallAddress: MULTICALL3_ADDRESS,
    allowFailure: false,
    ...at,
    contracts: receivers.map(({ receiver, token }) => {
      return { address, abi, functionName: "receivers", args: [receiver, token] } as const;
    }),
  });
  return accounts.map(([claimed, swept]) => ({ claimed, swept }));
}

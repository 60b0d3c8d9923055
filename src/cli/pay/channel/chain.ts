import type { Hex } from "viem";
import { ask } from "../../../chain/ask.ts";
import type { ChainClient } from "../../../chain/client.ts";
import { readChannelState } from "../../../chain/facts/channels.ts";
import { readHead, readUsed } from "../../../chain/facts/facts.ts";
import { readHorizon } from "../../../chain/horizon.ts";
import type { ChannelConfig } from "../../../channels/index.ts";
import type { Deposit } from "../channelPayment.ts";

/** What the chain says of a channel, as of one block. Amounts in atomic units. */
export type ChannelFacts = {
  readonly balance: bigint;
  readonly totalClaimed: bigint;
  /**
   * What became of the deposit in question. `used`: its nonce is used; `void`: it can never be made, as it expired
   * unused at a final block; `open`: it may still be made.
   */
  readonly deposit: "used" | "void" | "open" | undefined;
};

/**
 * The hash of the first block. It tells chains with the same id apart.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readGenesis(client: ChainClient): Promise<Hex> {
  return (await ask("its first block", client.getBlock({ blockNumber: 0n }))).hash;
}

/**
 * Asks the chain about a channel and about a deposit into it.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readChannelFacts(
  client: ChainClient,
  channel: { readonly channelId: Hex; readonly config: ChannelConfig; readonly deposit: Deposit | undefined },
): Promise<ChannelFacts> {
  const { channelId, deposit } = channel;
  // Read before the balance, so that the balance includes every deposit up to the final block.
  const horizon = deposit === undefined ? undefined : await readHorizon(client);
  const { number: blockNumber } = await readHead(client);
  const { balance, totalClaimed } = await readChannelState(client, channelId, blockNumber);
  if (deposit === undefined) return { balance, totalClaimed, deposit: undefined };

  const { payer: from, token } = channel.config;
  const identity = { chainId: client.chain.id, token, from, nonce: deposit.nonce };
  const isUsed = async (at: bigint) => (await readUsed(client, token, [identity], { blockNumber: at })).size > 0;
  if (await isUsed(blockNumber)) return { balance, totalClaimed, deposit: "used" };
  const isOver =
    horizon !== undefined && horizon.finalTimestamp >= deposit.validBefore && !(await isUsed(horizon.final));
  return { balance, totalClaimed, deposit: isOver ? "void" : "open" };
}

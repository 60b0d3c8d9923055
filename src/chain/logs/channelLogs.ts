import { type Address, decodeEventLog, type Hex, isAddressEqual, type Log, type RpcLog, toEventSelector } from "viem";
import { batchSettlementAbi as abi } from "../../channels/abi.ts";
import { BATCH_SETTLEMENT_ADDRESS } from "../../channels/index.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { type BlockRange, readLogs } from "./tokenLogs.ts";

type Place = {
  readonly amount: bigint;
  readonly transactionHash: Hex;
  readonly logIndex: number;
  readonly blockNumber: bigint;
};

/** What a log of the channel contract says about money that moved, or is about to move. */
export type ChannelLog =
  /** `totalClaimed` is what has been claimed of the channel in all, after this claim. */
  | (Place & { readonly kind: "claim"; readonly channelId: Hex; readonly totalClaimed: bigint })
  | (Place & { readonly kind: "refund" | "withdrawal" | "announcement"; readonly channelId: Hex })
  | (Place & { readonly kind: "sweep"; readonly receiver: Address; readonly token: Address });

/** Deposits are left out: a payer puts them in, and they change nothing for the receiver. */
const TOPICS = [
  toEventSelector("Claimed(bytes32,address,uint128,uint128)"),
  toEventSelector("Settled(address,address,address,uint128)"),
  toEventSelector("Refunded(bytes32,address,uint128)"),
  toEventSelector("WithdrawInitiated(bytes32,uint128,uint40)"),
  toEventSelector("WithdrawFinalized(bytes32,address,uint128)"),
];

/**
 * The channel contract's claims, sweeps, refunds and withdrawals in a range of blocks, for `inPieces`.
 * @throws LogsRefused if the node does not answer: a smaller range may do.
 */
export async function readChannelLogs(client: ChainClient, piece: BlockRange): Promise<readonly ChannelLog[]> {
  return decodeChannelLogs(await readLogs(client, BATCH_SETTLEMENT_ADDRESS, piece, [TOPICS]));
}

/** Picks the channel contract's logs from logs of any kind and contract, in their order. */
export function decodeChannelLogs(logs: readonly (Log | RpcLog)[]): ChannelLog[] {
  return logs.flatMap((log): ChannelLog[] => {
    const { transactionHash, blockNumber, logIndex } = log;
    if (transactionHash === null || blockNumber === null || logIndex === null) return [];
    if (!isAddressEqual(log.address, BATCH_SETTLEMENT_ADDRESS)) return [];
    const event = decode(log);
    const place = { transactionHash, blockNumber: BigInt(blockNumber), logIndex: Number(logIndex) };
    switch (event?.eventName) {
      case "Claimed": {
        const { channelId, claimAmount: amount, newTotalClaimed: totalClaimed } = event.args;
        return [{ kind: "claim", channelId, amount, totalClaimed, ...place }];
      }
      case "Settled": {
        const { receiver, token, amount } = event.args;
        return [{ kind: "sweep", receiver, token, amount, ...place }];
      }
      case "Refunded":
        return [{ kind: "refund", channelId: event.args.channelId, amount: event.args.amount, ...place }];
      case "WithdrawFinalized":
        return [{ kind: "withdrawal", channelId: event.args.channelId, amount: event.args.amount, ...place }];
      case "WithdrawInitiated":
        return [{ kind: "announcement", channelId: event.args.channelId, amount: event.args.amount, ...place }];
      default:
        return [];
    }
  });
}

/**
 * When blocks were made, in Unix seconds.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function readTimestamps(
  client: ChainClient,
  blockNumbers: readonly bigint[],
): Promise<ReadonlyMap<bigint, number>> {
  const times = new Map<bigint, number>();
  for (const blockNumber of new Set(blockNumbers)) {
    const { timestamp } = await ask("a block", client.getBlock({ blockNumber }));
    times.set(blockNumber, Number(timestamp));
  }
  return times;
}

function decode({ topics, data }: Log | RpcLog) {
  try {
    return decodeEventLog({ abi, topics: topics as [Hex, ...Hex[]], data });
  } catch {
    return undefined;
  }
}

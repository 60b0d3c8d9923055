import { type Address, getAddress, type Hex, numberToHex, pad, parseAbi, type RpcLog, toEventSelector } from "viem";
import { unavailable } from "../ask.ts";
import type { ChainClient } from "../client.ts";

/** A `Transfer` of a token as a log tells it. */
export type TransferLog = {
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly blockNumber: bigint;
  readonly transactionHash: Hex;
  readonly logIndex: number;
};

/** An `AuthorizationUsed` of a token. */
export type UseLog = {
  readonly authorizer: Address;
  readonly nonce: Hex;
  readonly transactionHash: Hex;
  readonly logIndex: number;
};

/** Blocks from `from` to `to`, both included. */
export type BlockRange = { readonly from: bigint; readonly to: bigint };

const events = parseAbi([
  "event Transfer(address indexed from, address indexed to, uint256 value)",
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
]);
const [TRANSFER, USED] = events.map((event) => toEventSelector(event)) as [Hex, Hex];

/** The most blocks in one eth_getLogs (public nodes still answer that), and how many a search begins with. */
const MAX_BLOCKS = 2_000n;
const FIRST_BLOCKS = 64n;
/** More logs than `MANY_LOGS` in one answer halve the next range, fewer than `FEW_LOGS` double it. */
const MANY_LOGS = 10_000;
const FEW_LOGS = 2_500;

/**
 * Goes through a block range in pieces that a node answers and memory holds: `read` is given each piece and says how
 * many logs it saw. A piece that the node refuses is halved.
 * @throws ChainUnavailableError if the node refuses even a single block.
 */
export async function inPieces(range: BlockRange, read: (piece: BlockRange) => Promise<number>): Promise<void> {
  let size = FIRST_BLOCKS;
  for (let from = range.from; from <= range.to; ) {
    const to = from + size - 1n < range.to ? from + size - 1n : range.to;
    let logs: number;
    try {
      logs = await read({ from, to });
    } catch (error) {
      if (!(error instanceof LogsRefused) || from === to) {
        throw error instanceof LogsRefused ? unavailable("the logs of a block", error.cause) : error;
      }
      size = (to - from + 1n) / 2n;
      continue;
    }
    from = to + 1n;
    if (logs > MANY_LOGS && size > 1n) size /= 2n;
    else if (logs < FEW_LOGS && size < MAX_BLOCKS) size = size * 2n < MAX_BLOCKS ? size * 2n : MAX_BLOCKS;
  }
}

/** Transfers from any of `from`, or to any of `to`. */
export async function readTransfers(
  client: ChainClient,
  token: Address,
  piece: BlockRange,
  parties: { readonly from: readonly Address[] } | { readonly to: readonly Address[] },
): Promise<TransferLog[]> {
  const topics = "from" in parties ? [TRANSFER, parties.from.map(topicOf)] : [TRANSFER, null, parties.to.map(topicOf)];
  const logs = await readLogs(client, token, piece, topics);
  return logs.flatMap((log) => {
    const [, from, to] = log.topics;
    if (from === undefined || to === undefined || log.blockNumber === null) return [];
    return [{ from: addressOf(from), to: addressOf(to), value: BigInt(log.data), ...placeOf(log) }];
  });
}

/** Authorizations of any of `authorizers` that were used. */
export async function readUses(
  client: ChainClient,
  token: Address,
  piece: BlockRange,
  authorizers: readonly Address[],
): Promise<UseLog[]> {
  const logs = await readLogs(client, token, piece, [USED, authorizers.map(topicOf)]);
  return logs.flatMap((log) => {
    const [, authorizer, nonce] = log.topics;
    if (authorizer === undefined || nonce === undefined) return [];
    return [{ authorizer: addressOf(authorizer), nonce, ...placeOf(log) }];
  });
}

/** That a node did not answer one eth_getLogs: a smaller range may do. */
class LogsRefused extends Error {}

/**
 * Logs of a contract with these topics, for {@link inPieces}.
 * @throws LogsRefused if the node does not answer: a smaller range may do.
 */
export async function readLogs(
  client: ChainClient,
  address: Address,
  { from, to }: BlockRange,
  topics: (Hex | Hex[] | null)[],
): Promise<readonly RpcLog[]> {
  try {
    return await client.request({
      method: "eth_getLogs",
      params: [{ address, topics, fromBlock: numberToHex(from), toBlock: numberToHex(to) }],
    });
  } catch (cause) {
    throw new LogsRefused("logs refused", { cause });
  }
}

function placeOf({ blockNumber, transactionHash, logIndex }: RpcLog) {
  return {
    blockNumber: BigInt(blockNumber ?? 0),
    transactionHash: transactionHash ?? "0x",
    logIndex: Number(logIndex ?? 0),
  };
}

function topicOf(address: Address): Hex {
  return pad(address.toLowerCase() as Hex, { size: 32 });
}

function addressOf(topic: Hex): Address {
  return getAddress(`0x${topic.slice(26)}`);
}

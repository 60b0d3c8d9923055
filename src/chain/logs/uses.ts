import {
  type Address,
  formatLog,
  getAddress,
  type Hex,
  isAddressEqual,
  numberToHex,
  parseAbi,
  parseEventLogs,
  type TransactionReceipt,
  toEventSelector,
} from "viem";
import { authorizationId } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { chunks } from "../../lists.ts";
import { readDirectOutcome } from "../../router/outcome.ts";
import { ask } from "../ask.ts";
import type { ChainClient } from "../client.ts";
import { ChainUnavailableError } from "../errors.ts";

/** How a nonce that is no longer free came to be used. */
export type NonceUse =
  /** A transaction moved exactly these terms. */
  | {
      readonly status: "settled";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly logIndex: number;
    }
  /** A transaction used the nonce for other terms (a variant that the payer signed too). */
  | { readonly status: "used-by-variant"; readonly transactionHash: Hex; readonly blockNumber: bigint }
  /** The payer cancelled it: nothing moved and nothing will. */
  | { readonly status: "cancelled"; readonly transactionHash: Hex; readonly blockNumber: bigint };

const useEvents = parseAbi([
  "event AuthorizationUsed(address indexed authorizer, bytes32 indexed nonce)",
  "event AuthorizationCanceled(address indexed authorizer, bytes32 indexed nonce)",
]);

const USE_TOPICS = useEvents.map((event) => toEventSelector(event));

/** How many blocks back the logs are searched for the use of a nonce, if nothing else is asked. */
export const LOOKBACK_BLOCKS = 10_000n;
/** Blocks and nonces per eth_getLogs. Public nodes refuse more of either. */
const BLOCKS_PER_QUERY = 2_000n;
const NONCES_PER_QUERY = 200;

/**
 * Finds the transactions that used or cancelled the nonces of these authorizations, newest block first.
 * @param lookbackBlocks How far back to search, 10,000 blocks by default. What lies further back is missing from the answer.
 * @returns By identity (`authorizationId`).
 * @throws ChainUnavailableError if the node does not answer, or refuses to search.
 */
export async function findNonceUses(
  client: ChainClient,
  authorizations: readonly SignedAuthorization[],
  { lookbackBlocks = LOOKBACK_BLOCKS }: { readonly lookbackBlocks?: bigint | undefined } = {},
): Promise<Map<string, NonceUse>> {
  const uses = new Map<string, NonceUse>();
  if (authorizations.length === 0) return uses;
  const tokens = [...new Set(authorizations.map(({ token }) => getAddress(token)))];
  const wanted = new Map(authorizations.map((authorization) => [authorizationId(authorization), authorization]));
  const receipts = new Map<Hex, Promise<TransactionReceipt>>();
  const newest = await available(client.getBlockNumber());
  const oldest = newest > lookbackBlocks ? newest - lookbackBlocks : 0n;

  for (let to = newest; to >= oldest && wanted.size > 0; to -= BLOCKS_PER_QUERY) {
    const from = to - BLOCKS_PER_QUERY + 1n > oldest ? to - BLOCKS_PER_QUERY + 1n : oldest;
    const nonces = [...new Set([...wanted.values()].map(({ nonce }) => nonce))];
    for (const some of chunks(nonces, NONCES_PER_QUERY)) {
      for (const log of await readLogs(client, tokens, some, from, to)) {
        const { authorizer, nonce } = log.args;
        const id = authorizationId({ chainId: client.chain.id, token: log.address, from: authorizer, nonce });
        const authorization = wanted.get(id);
        if (authorization === undefined || log.transactionHash === null || log.blockNumber === null) continue;
        wanted.delete(id);
        uses.set(id, await explain(log.eventName, log.transactionHash, log.blockNumber, authorization));
      }
    }
  }
  return uses;

  async function explain(
    eventName: string,
    hash: Hex,
    blockNumber: bigint,
    authorization: SignedAuthorization,
  ): Promise<NonceUse> {
    if (eventName === "AuthorizationCanceled") return { status: "cancelled", transactionHash: hash, blockNumber };
    let asked = receipts.get(hash);
    if (asked === undefined) {
      asked = available(client.getTransactionReceipt({ hash }));
      receipts.set(hash, asked);
    }
    let receipt = await asked;
    // The log was found, so a receipt without it is wrong: it says nothing about how the nonce was used.
    if (!showsUse(receipt, authorization)) receipt = await available(client.getTransactionReceipt({ hash }));
    if (!showsUse(receipt, authorization)) {
      throw new ChainUnavailableError(`The node contradicts itself about ${hash}.`, {
        details: "Its logs use a nonce, its receipt does not.",
        hint: "Use another node: this one cannot be relied on.",
      });
    }
    const outcome = readDirectOutcome(receipt, authorization);
    if (outcome.status !== "settled") return { status: "used-by-variant", transactionHash: hash, blockNumber };
    return { status: "settled", transactionHash: hash, blockNumber: receipt.blockNumber, logIndex: outcome.logIndex };
  }
}

/** Whether the logs of a receipt use or cancel the nonce of this authorization, whatever its terms. */
export function showsUse(
  { logs }: Pick<TransactionReceipt, "logs">,
  { token, from, nonce }: Pick<SignedAuthorization, "token" | "from" | "nonce">,
): boolean {
  return logs.some(({ address, topics: [event, payer, used] }) => {
    if (event === undefined || !USE_TOPICS.includes(event) || !isAddressEqual(address, token)) return false;
    return (
      used?.toLowerCase() === nonce.toLowerCase() && payer?.slice(-40).toLowerCase() === from.slice(2).toLowerCase()
    );
  });
}

async function readLogs(client: ChainClient, tokens: Address[], nonces: Hex[], fromBlock: bigint, toBlock: bigint) {
  const logs = await available(
    client.request({
      method: "eth_getLogs",
      params: [
        {
          address: tokens,
          topics: [USE_TOPICS, null, nonces],
          fromBlock: numberToHex(fromBlock),
          toBlock: numberToHex(toBlock),
        },
      ],
    }),
  );
  return parseEventLogs({ abi: useEvents, logs: logs.map((log) => formatLog(log)) });
}

function available<T>(answer: Promise<T>): Promise<T> {
  return ask("what used a nonce", answer);
}

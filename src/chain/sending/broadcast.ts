import { BaseError, type Hex, RpcRequestError } from "viem";
import type { ChainClient } from "../client.ts";

/**
 * What a node answered to signed bytes. Only `insufficient-funds`, `fee-too-low` and `invalid` say for certain that
 * this node did not take them. An answer that is not understood is `indeterminate`, and counts as sent.
 */
export type BroadcastAnswer =
  | "accepted"
  | "already-known"
  /** Another transaction under this txNonce is in the mempool, and these fees are not enough to replace it. */
  | "underpriced"
  /** The txNonce is used, perhaps by these bytes. */
  | "nonce-too-low"
  | "nonce-too-high"
  | "insufficient-funds"
  /** Below the base fee or the node's minimum. */
  | "fee-too-low"
  /** Never acceptable: gas above a cap, wrong chain, malformed. */
  | "invalid"
  | "indeterminate";

/**
 * Texts of geth, op-geth, reth, Erigon, Nethermind, Besu, anvil and EDR, most specific first. Nodes have no codes for
 * them.
 */
const texts: readonly (readonly [RegExp, BroadcastAnswer])[] = [
  [/already known|already imported|already exists|known transaction|transaction already/i, "already-known"],
  [
    /replacement transaction underpriced|replacement fee too low|could not replace|replacement .* underpriced/i,
    "underpriced",
  ],
  [
    /nonce too low|nonce is too low|old nonce|oldnonce|nonce has already been used|lower than the current nonce/i,
    "nonce-too-low",
  ],
  [/nonce too high|nonce is too high|nonce gap|exceeds the next nonce/i, "nonce-too-high"],
  [/insufficient funds|doesn't have enough funds|insufficient balance|sender account balance/i, "insufficient-funds"],
  [
    /less than block base fee|transaction underpriced|fee too low|gas price too low|too low to be included|too low for the next block|below the minimum/i,
    "fee-too-low",
  ],
  [
    /intrinsic gas|requires at least \d+ gas|exceeds (the )?(block|transaction) gas|gas limit too high|gas limit .* (exceeds|greater)|gas cap|invalid chain ?id|wrong chain|rlp|invalid sender|invalid signature|oversized data|tx type not supported/i,
    "invalid",
  ],
];

/**
 * Classifies a node's answer to eth_sendRawTransaction by what it says. Only the words of a JSON-RPC error count. The
 * words of a proxy in front of the node, or silence, say nothing about the transaction.
 */
export function classifyBroadcastError(error: unknown): BroadcastAnswer {
  if (!(error instanceof BaseError)) return "indeterminate";
  const answer = error.walk((cause) => cause instanceof RpcRequestError);
  if (!(answer instanceof RpcRequestError)) return "indeterminate";
  return texts.find(([text]) => text.test(answer.details))?.[1] ?? "indeterminate";
}

/** Answers in the order in which they count: one node that took the bytes is enough. */
const weight: Readonly<Record<BroadcastAnswer, number>> = {
  accepted: 0,
  "already-known": 1,
  "nonce-too-low": 2,
  indeterminate: 3,
  underpriced: 4,
  "nonce-too-high": 5,
  "fee-too-low": 6,
  "insufficient-funds": 7,
  invalid: 8,
};

/** How long to wait for the slowest node, whether or not another one has answered. */
const PATIENCE_MS = 10_000;

/**
 * Hands signed bytes to every node and returns the answer that counts most: at once if a node has them, otherwise
 * when all have answered or `patienceMs` are over. A slow or dead node holds nobody up. Never rejects.
 */
export function broadcastToAll(
  clients: readonly ChainClient[],
  raw: Hex,
  patienceMs = PATIENCE_MS,
): Promise<BroadcastAnswer> {
  return new Promise((resolve) => {
    const answers: BroadcastAnswer[] = [];
    let waiting = clients.length;
    const best = (): BroadcastAnswer => answers.sort((a, b) => weight[a] - weight[b])[0] ?? "indeterminate";
    const finish = (answer: BroadcastAnswer): void => {
      clearTimeout(timer);
      resolve(answer);
    };
    // A node that has not answered by then may have taken the bytes.
    const timer = setTimeout(() => {
      answers.push("indeterminate");
      finish(best());
    }, patienceMs);
    const note = (answer: BroadcastAnswer): void => {
      answers.push(answer);
      waiting -= 1;
      if (answer === "accepted" || answer === "already-known" || waiting === 0) finish(best());
    };
    if (waiting === 0) finish("indeterminate");
    for (const client of clients) {
      client.sendRawTransaction({ serializedTransaction: raw }).then(
        () => note("accepted"),
        (error: unknown) => note(classifyBroadcastError(error)),
      );
    }
  });
}

import { setTimeout as sleep } from "node:timers/promises";
import { type Hex, isHex } from "viem";
import { readBlockTime } from "./blockTime.ts";
import type { ChainClient } from "./client.ts";

/** How often the pending block is looked at while it has no transaction that says anything, and the pause between. */
const LOOKS = 4;
const LOOK_AGAIN_MS = 250;
/** How many of its transactions are asked for. */
const SAMPLE = 3;
/** Blocks that come faster than this are their own preconfirmations, whatever the node knows. */
const SLOW_BLOCKS_MS = 1_000;
/** A chain with fewer blocks does not say by them how fast they come. */
const YOUNG = 100n;
/** Type of the transactions with which a block of the OP stack begins (OP-stack specification, "Deposits"). */
const DEPOSIT_TYPE = "0x7e";
const NO_TRANSACTION: Hex = `0x${"0".repeat(64)}`;

type Client = Pick<ChainClient, "request" | "getBlock">;
type Ask = (method: string, ...params: readonly unknown[]) => Promise<unknown>;

/** What a look at the pending block says. */
type Look =
  /** A transaction of it has a receipt. */
  | "preconfirmed"
  /** It has transactions, and they have none. */
  | "waiting"
  /** It has only the sequencer's own, or the block came meanwhile. */
  | "nothing"
  /** It has none, not even the sequencer's own. */
  | "empty"
  /** It is no newer than the newest block. */
  | "old"
  /** The node builds no block. */
  | "none";

/**
 * Whether the node tells of transactions before their block is there, as an endpoint with Flashblocks does. It does if a
 * transaction of its pending block has a receipt already; or, as long as nobody sends anything, if it builds a block,
 * knows `base_transactionStatus` and has no new block every moment anyway. That method alone means nothing: nodes of Base
 * still know it, and Base has had blocks every 200 ms instead of Flashblocks since its Denim upgrade (November 2026).
 * Takes up to about a second.
 *
 * @returns Undefined if it cannot be told: nobody sent anything meanwhile, or the node did not answer.
 */
export async function hasPreconfirmations(client: Client): Promise<boolean | undefined> {
  const request = client.request as (call: { readonly method: string; readonly params: unknown }) => Promise<unknown>;
  const ask: Ask = (method, ...params) => request({ method, params });
  try {
    const knowsMethod = await knowsTransactionStatus(ask);
    for (let looks = 1; ; looks += 1) {
      const look = await lookAt(ask);
      if (look === "preconfirmed") return true;
      if (look === "waiting" || look === "none" || (look === "empty" && !knowsMethod)) return false;
      if (look !== "old" && knowsMethod && looks === 1 && (await hasSlowBlocks(client))) return true;
      if (looks === LOOKS) return look === "old" ? false : undefined;
      await sleep(LOOK_AGAIN_MS);
    }
  } catch {
    return undefined;
  }
}

async function lookAt(ask: Ask): Promise<Look> {
  const [newest, pending] = await Promise.all([
    ask("eth_blockNumber"),
    // Some nodes answer with an error that they have no such block.
    ask("eth_getBlockByNumber", "pending", true).catch(() => null),
  ]);
  const number = fieldOf(pending, "number");
  const transactions: unknown = fieldOf(pending, "transactions");
  if (!isHex(newest) || !isHex(number) || !Array.isArray(transactions)) return "none";
  if (BigInt(number) <= BigInt(newest)) return "old";
  if (transactions.length === 0) return "empty";
  const hashes = transactions
    .filter((transaction) => fieldOf(transaction, "type") !== DEPOSIT_TYPE)
    .map((transaction) => fieldOf(transaction, "hash"))
    .filter((hash) => isHex(hash));
  if (hashes.length === 0) return "nothing";
  const receipts = await Promise.all(hashes.slice(0, SAMPLE).map((hash) => ask("eth_getTransactionReceipt", hash)));
  const blocks = receipts.map((receipt) => fieldOf(receipt, "blockNumber")).filter((block) => isHex(block));
  if (blocks.length === 0) return "waiting";
  // Unless the block came while they were asked for.
  const newestNow = await ask("eth_blockNumber");
  return isHex(newestNow) && blocks.some((block) => BigInt(block) > BigInt(newestNow)) ? "preconfirmed" : "nothing";
}

async function knowsTransactionStatus(ask: Ask): Promise<boolean> {
  const answer = await ask("base_transactionStatus", NO_TRANSACTION).catch(() => undefined);
  return typeof fieldOf(answer, "status") === "string";
}

async function hasSlowBlocks(client: Client): Promise<boolean> {
  // The first blocks of a development chain come all at once.
  if ((await client.getBlock({ blockTag: "latest" })).number < YOUNG) return true;
  const blockTimeMs = await readBlockTime(client);
  return blockTimeMs === undefined || blockTimeMs >= SLOW_BLOCKS_MS;
}

function fieldOf(value: unknown, field: string): unknown {
  return typeof value === "object" && value !== null ? Reflect.get(value, field) : undefined;
}

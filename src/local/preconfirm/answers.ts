import {
  type Hex,
  isHex,
  keccak256,
  parseTransaction,
  recoverTransactionAddress,
  type TransactionSerialized,
} from "viem";
import type { Request } from "../node/port.ts";
import type { Builder } from "./builder.ts";
import { invalidParams, nonceTooLow } from "./errors.ts";
import type { Gate } from "./gate.ts";
import { type Notifications, SUBSCRIPTION } from "./notifications.ts";
import type { Schedule } from "./schedule.ts";
import { type BuiltBlock, nextTxNonce } from "./tryBlock.ts";

type Params = readonly unknown[];

/** Methods that change the state or what the next block may hold, and leave the blocks that there are. */
const CHANGES =
  /^(evm_setBlockGasLimit|evm_increaseTime|evm_setNextBlockTimestamp|hardhat_set(?!LoggingEnabled)\w+|hardhat_dropTransaction)$/;
/** Methods that put the chain at another block. */
const MOVES = /^(evm_revert|hardhat_reset)$/;
const MINES = /^(evm_mine|hardhat_mine)$/;

/** Answers requests from the block that is being built, as far as the node behind cannot, and keeps the builder informed. */
export function answering(parts: {
  readonly request: Request;
  readonly gate: Gate;
  readonly builder: Builder;
  readonly notifications: Notifications;
  readonly schedule: Schedule;
  /** Sets the timer anew after a change of the schedule. */
  readonly rearm: () => void;
}): Request {
  const { request, gate, builder, notifications, schedule, rearm } = parts;

  async function send(method: string, params: Params, block: BuiltBlock | undefined): Promise<unknown> {
    if (block !== undefined) {
      const outdated = method === "eth_sendRawTransaction" ? await rawSender(params[0], block) : givenSender(params[0]);
      const next = outdated === undefined ? undefined : nextTxNonce(block, outdated.from);
      if (outdated !== undefined && next !== undefined && outdated.nonce < next)
        throw nonceTooLow(next, outdated.nonce);
    }
    const hash = await request(method, params);
    builder.note("sent");
    return hash;
  }

  async function change(method: string, params: Params): Promise<unknown> {
    if (method === "evm_mine" && params.length === 0) return builder.finish("now");
    if (MINES.test(method)) return builder.finish(() => request(method, params));
    if (method === "evm_setIntervalMining") {
      schedule.setBlockTime(blockTimeOf(params[0]));
      await builder.readClock();
      builder.note("changed");
      rearm();
      return true;
    }
    const result = await request(method, params);
    if (method === "evm_setAutomine") builder.setAutomine(params[0] === true);
    if (method === "evm_setAutomine" || MOVES.test(method)) {
      await builder.begin();
      return result;
    }
    if (method === "evm_setNextBlockTimestamp") builder.fixTime();
    if (method === "evm_increaseTime") await builder.readClock();
    builder.note("changed");
    return result;
  }

  async function read(method: string, params: Params, block: BuiltBlock | undefined): Promise<unknown> {
    switch (method) {
      case "eth_getTransactionReceipt":
        return block?.transactions.get(String(params[0]).toLowerCase())?.receipt ?? request(method, params);
      case "eth_getBlockByNumber":
        if (params[0] !== "pending" || block === undefined) return request(method, params);
        return params[1] === true ? block.block : { ...block.block, transactions: [...block.transactions.keys()] };
      case "eth_getTransactionCount": {
        if (params[1] !== "pending" || block === undefined) return request(method, params);
        const next = nextTxNonce(block, String(params[0]));
        return next === undefined ? request(method, [params[0], "latest"]) : `0x${next.toString(16)}`;
      }
      case "eth_getFilterChanges":
        return notifications.withoutHidden(await request(method, params));
      case "base_transactionStatus":
        return { status: (await isWaiting(request, params[0])) ? "Known" : "Unknown" };
      case "eth_subscribe":
        return params[0] === SUBSCRIPTION ? notifications.subscribe(params[1]) : request(method, params);
      case "eth_unsubscribe":
        return notifications.unsubscribe(params[0]) || request(method, params);
      default:
        return request(method, params);
    }
  }

  return (method, params = []) => {
    if (isChange(method)) return gate.alone(() => change(method, params));
    return gate.shared(() =>
      /^eth_send(Raw)?Transaction$/.test(method)
        ? send(method, params, builder.current())
        : read(method, params, builder.current()),
    );
  };
}

function isChange(method: string): boolean {
  return (
    MINES.test(method) ||
    MOVES.test(method) ||
    CHANGES.test(method) ||
    method === "evm_setAutomine" ||
    method === "evm_setIntervalMining"
  );
}

/** As the node takes it: milliseconds, or the least and the most of them. */
function blockTimeOf(interval: unknown): () => number {
  const [least, most = least] = Array.isArray(interval) ? interval : [interval];
  if (typeof least !== "number" || typeof most !== "number" || !(least >= 0 && most >= least)) {
    throw invalidParams("evm_setIntervalMining takes milliseconds, or the least and the most of them.");
  }
  return () => least + Math.random() * (most - least);
}

type Outgoing = { readonly from: string; readonly nonce: number };

/**
 * The sender of a signed transaction that may have a preconfirmed txNonce. The node would take it as a replacement, but a
 * sequencer has already run the other one. Undefined if it is that one itself, or nothing like it.
 */
async function rawSender(raw: unknown, { transactions }: BuiltBlock): Promise<Outgoing | undefined> {
  if (!isHex(raw) || transactions.has(keccak256(raw))) return undefined;
  try {
    const { nonce = 0 } = parseTransaction(raw);
    const isTaken = [...transactions.values()].some(({ transaction }) => Number(transaction.nonce) >= nonce);
    // Recovering a signer takes a millisecond.
    return isTaken
      ? { from: await recoverTransactionAddress({ serializedTransaction: raw as TransactionSerialized }), nonce }
      : undefined;
  } catch {
    // The node says what is wrong with it.
    return undefined;
  }
}

/** The sender of a transaction that the node is to sign, if its txNonce is given. */
function givenSender(transaction: unknown): Outgoing | undefined {
  if (typeof transaction !== "object" || transaction === null) return undefined;
  if (!("from" in transaction && "nonce" in transaction)) return undefined;
  const { from, nonce } = transaction;
  return typeof from === "string" && isHex(nonce) ? { from, nonce: Number(nonce) } : undefined;
}

/** Whether a transaction is in the mempool, where a preconfirmed one stays until its block is there. */
async function isWaiting(request: Request, hash: unknown): Promise<boolean> {
  if (!isHex(hash)) throw invalidParams("base_transactionStatus takes a transaction's hash.");
  const transaction = await request("eth_getTransactionByHash", [hash satisfies Hex]);
  return typeof transaction === "object" && transaction !== null && Reflect.get(transaction, "blockHash") === null;
}

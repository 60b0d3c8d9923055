import { randomBytes } from "node:crypto";
import type { Hex } from "viem";
import type { DevelopmentNode, Notification } from "../node/port.ts";
import { invalidParams } from "./errors.ts";
import type { RpcReceipt, RpcTransaction } from "./rpcTypes.ts";

/** The kind of subscription that tells of each transaction as it is preconfirmed. */
export const SUBSCRIPTION = "newFlashblockTransactions";

/**
 * Hashes of tried blocks that are kept. A filter that nobody asks is dropped after five minutes, and no more steps than
 * this are made in that time, unless they are shorter than 15 ms.
 */
const MOST_HIDDEN = 20_000;
/** Subscriptions end with their socket. Over HTTP nothing ends them. */
const MOST_SUBSCRIPTIONS = 10_000;

export type Notifications = {
  readonly onNotification: DevelopmentNode["onNotification"];
  /** Runs `work`, which tries a block. Nothing that the node says of that block reaches a listener. */
  readonly hiding: <T>(work: (hide: (blockHash: Hex) => void) => Promise<T>) => Promise<T>;
  /** Takes the hashes and logs of tried blocks out of what a filter found. */
  readonly withoutHidden: (changes: unknown) => unknown;
  /** Returns the subscription's id. */
  readonly subscribe: (isFull: unknown) => string;
  /** Whether there was such a subscription. */
  readonly unsubscribe: (id: unknown) => boolean;
  /** Tells every subscription of a preconfirmed transaction. */
  readonly announce: (transaction: RpcTransaction, receipt: RpcReceipt) => void;
};

/** The node's notifications without those of tried blocks, and those of preconfirmed transactions. */
export function createNotifications(node: Pick<DevelopmentNode, "onNotification">): Notifications {
  const listeners = new Set<(notification: Notification) => void>();
  const subscriptions = new Map<string, { readonly isFull: boolean }>();
  const hidden = new Set<string>();
  let held: Notification[] | undefined;

  const tell = (notification: Notification): void => {
    for (const listener of listeners) listener(notification);
  };
  const isShown = ({ result }: Notification): boolean => !hidden.has(blockHashOf(result));
  node.onNotification((notification) => {
    if (held !== undefined) held.push(notification);
    else if (isShown(notification)) tell(notification);
  });

  return {
    onNotification: (listener) => {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },
    hiding: async (work) => {
      // The node tells of the block before it can be asked for the hash.
      held = [];
      try {
        return await work((blockHash) => {
          hidden.add(blockHash);
          const [oldest] = hidden;
          if (hidden.size > MOST_HIDDEN && oldest !== undefined) hidden.delete(oldest);
        });
      } finally {
        const waiting = held;
        held = undefined;
        for (const notification of waiting.filter(isShown)) tell(notification);
      }
    },
    withoutHidden: (changes) =>
      Array.isArray(changes) ? changes.filter((change) => !hidden.has(blockHashOf(change))) : changes,
    subscribe: (isFull = false) => {
      if (typeof isFull !== "boolean") throw invalidParams(`${SUBSCRIPTION} takes true, false or nothing.`);
      if (subscriptions.size >= MOST_SUBSCRIPTIONS) throw invalidParams("There are too many subscriptions.");
      const id = `0x${randomBytes(16).toString("hex")}`;
      subscriptions.set(id, { isFull });
      return id;
    },
    unsubscribe: (id) => typeof id === "string" && subscriptions.delete(id),
    announce: (transaction, receipt) => {
      const { status, gasUsed, cumulativeGasUsed, contractAddress, logs, logsBloom } = receipt;
      const full = { ...transaction, status, gasUsed, cumulativeGasUsed, contractAddress, logs, logsBloom };
      for (const [subscription, { isFull }] of subscriptions) {
        tell({ subscription, result: isFull ? full : transaction.hash });
      }
    },
  };
}

/** The block that a header, a log or a block filter's change names. */
function blockHashOf(value: unknown): string {
  if (typeof value === "string") return value;
  if (typeof value !== "object" || value === null) return "";
  // A log has the hash of its block, and a header has its own.
  const hash: unknown = Reflect.get(value, "blockHash") ?? Reflect.get(value, "hash");
  return typeof hash === "string" ? hash : "";
}

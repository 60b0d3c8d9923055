import { type Address, isAddressEqual } from "viem";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { nextTxNonce } from "../../chain/sending/submit.ts";
import { transactionSigner } from "../../chain/signer.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { Logger } from "../../logger.ts";
import { findConsumer } from "../outcome/receipts/consumer.ts";

/**
 * How many transactions beyond those that the journal knows are believed on a node's word alone: somebody may have sent
 * them by hand or from another program. It also bounds the gap that no-ops fill.
 */
export const MAX_STRAY = 16;

/**
 * A node's transaction counts of a key: `latest` counts those mined by its newest block, `pending` also those in its
 * mempool.
 */
export type TxCounts = { readonly latest: number; readonly pending: number };

/** What the journal knows of a key. */
export type KnownCounts = {
  /** The txNonce after the last one that was signed for; undefined if none was. */
  readonly signed: number | undefined;
  /** The txNonce after the last one that was mined. */
  readonly mined: number;
  /** How many batches are open. */
  readonly open: number;
};

/**
 * Whether a node's counts need no proof: the mined count is at most {@link MAX_STRAY} beyond what was signed for, and
 * the next txNonce, like what was signed for, is at most that far beyond what is mined and open together. Pure.
 */
export function isPlausible({ latest, pending }: TxCounts, { signed, mined, open }: KnownCounts): boolean {
  if (![latest, pending].every((count) => Number.isSafeInteger(count) && count >= 0)) return false;
  const reach = Math.max(latest, mined) + open + MAX_STRAY;
  return latest <= (signed ?? latest) + MAX_STRAY && pending <= reach && (signed ?? 0) <= reach;
}

/** Believed counts, with what the journal knows. */
export type BelievedCounts = TxCounts & { readonly known: KnownCounts };

/** A watch over what nodes say of one key's transactions. */
export type TxCountWatch = {
  /** The node's counts, with what the journal knows. Undefined if the node's counts are not believed. */
  readonly read: (open: number) => Promise<BelievedCounts | undefined>;
  /** Whether the last answer was not believed. */
  readonly isFaulty: () => boolean;
};

/**
 * Reads the counts of a key, and believes them no further than is safe: a transaction that is signed far above the
 * chain's count waits for ever, and so does everything after it. After a surprising answer the node is asked a second
 * time, and the smaller counts are used. If they still go far beyond the journal, they need proof: a mined transaction
 * that the key itself signed, or another node that says the same.
 */
export function createTxCountWatch(options: {
  readonly journal: Pick<Journal, "lastTxNonce">;
  readonly client: ChainClient;
  /** All nodes. Those other than `client` may confirm what `client` says. */
  readonly nodes: readonly ChainClient[];
  readonly sender: Address;
  readonly logger: Logger;
}): TxCountWatch {
  const { journal, client, nodes, sender, logger } = options;
  const chainId = client.chain.id;
  const others = nodes.filter((node) => node !== client);
  /** The last count that was proved, or believed because the journal knew nothing. */
  let believed: number | undefined;
  let isFaulty = false;

  const minedBy = (node: ChainClient) =>
    ask(`the transaction count of ${sender}`, node.getTransactionCount({ address: sender, blockTag: "latest" }));

  async function say(node: ChainClient): Promise<TxCounts> {
    const [latest, pending] = await Promise.all([minedBy(node), nextTxNonce(node, sender)]);
    return { latest, pending };
  }

  async function known(open: number): Promise<KnownCounts> {
    const [signed, mined] = await Promise.all([
      journal.lastTxNonce(chainId, sender),
      journal.lastTxNonce(chainId, sender, ["mined", "final"]),
    ]);
    const after = (txNonce: number | undefined) => (txNonce === undefined ? undefined : txNonce + 1);
    const counts = [after(signed), believed].filter((count) => count !== undefined);
    return { signed: counts.length === 0 ? undefined : Math.max(...counts), mined: after(mined) ?? 0, open };
  }

  /**
   * Whether another node has about as many mined. The first node that has them is enough, so a dead one holds nobody up.
   * Undefined if no other node answers.
   */
  function isWitnessed(latest: number): Promise<boolean | undefined> {
    return new Promise((resolve) => {
      let verdict: false | undefined;
      const asked = others.map(async (node) => {
        const count = await minedBy(node).catch(() => undefined);
        if (count === undefined) return;
        if (count >= latest - MAX_STRAY) resolve(true);
        else verdict = false;
      });
      void Promise.all(asked).then(() => resolve(verdict));
    });
  }

  /** Whether a mined transaction shows that the key itself signed for the txNonce just below this count. */
  async function isProved(latest: number): Promise<boolean> {
    const toBlock = await client.getBlockNumber();
    const query = { sender, txNonce: latest - 1, fromBlock: toBlock - 64n, toBlock };
    const found = await findConsumer(client, query);
    if (found === undefined) return false;
    const signer = await transactionSigner(await client.getTransaction({ hash: found.hash }));
    return signer !== undefined && isAddressEqual(signer, sender);
  }

  async function isTrue(counts: TxCounts, at: KnownCounts): Promise<boolean> {
    const { latest } = counts;
    if (at.signed === undefined) {
      // The journal has nothing to compare with. The counts are believed unless another node denies them.
      if (!isPlausible(counts, { ...at, signed: latest }) || (await isWitnessed(latest)) === false) return false;
      believed = latest;
      return true;
    }
    if (isPlausible(counts, at)) return true;
    if (!Number.isSafeInteger(latest) || !isPlausible(counts, { ...at, signed: Math.max(at.signed, latest) }))
      return false;
    const isSure = (await isWitnessed(latest)) === true || (await isProved(latest).catch(() => false));
    if (isSure) believed = latest;
    return isSure;
  }

  return {
    isFaulty: () => isFaulty,
    read: async (open) => {
      let [counts, at] = [await say(client), await known(open)];
      const isSurprising =
        at.signed === undefined || counts.latest > at.signed || counts.pending > Math.max(counts.latest, at.signed);
      if (isSurprising) {
        counts = lower(counts, await say(client));
        at = await known(open);
      }
      if (!(await isTrue(counts, at))) {
        const fields = { sender, ...counts, journal: at };
        if (!isFaulty) logger.error("the node's transaction count cannot be true: nothing is signed", fields);
        isFaulty = true;
        return undefined;
      }
      if (isFaulty) logger.info("the node's transaction count is believed again", { sender, ...counts });
      isFaulty = false;
      return { ...counts, known: at };
    },
  };
}

function lower(a: TxCounts, b: TxCounts): TxCounts {
  return { latest: Math.min(a.latest, b.latest), pending: Math.min(a.pending, b.pending) };
}

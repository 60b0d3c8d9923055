import type { Hex } from "viem";
import type { BroadcastAnswer } from "../../chain/sending/broadcast.ts";
import type { Attempt, BatchRow } from "../../journal/ports/batches.ts";
import { MAX_STRAY } from "./txCounts.ts";

/** What is known of one open batch. All of it was read at about the same time. */
export type BatchView = {
  readonly batch: BatchRow;
  readonly nowMs: number;
  /** The attempt that has a receipt, and how deep it is (1: in the newest block). */
  readonly mined: { readonly attempt: Attempt; readonly depth: number } | undefined;
  /** The sender's transaction count at the newest block. */
  readonly txCount: number;
  /**
   * The transaction that consumed the batch's txNonce, if one was found that is deep enough to count. Its hash is
   * evidence; a transaction count alone is not.
   */
  readonly consumer: Hex | undefined;
  /** Since when this process has seen the batch open. It starts anew with each process, and after a reorg. */
  readonly seenSinceMs: number;
  /** The nodes' answer to the newest attempt when this process last handed it out; undefined if it has not yet. */
  readonly answer: BroadcastAnswer | undefined;
  /** How often in a row the nodes gave that answer. */
  readonly answerTimes: number;
  /** The earliest time of the next replacement, after the fee ceiling left no room for one. */
  readonly replaceNotBeforeMs: number;
};

/** What to do about an open batch. */
export type BatchDecision =
  | { readonly do: "wait" }
  /** Deep enough: read the outcomes. */
  | { readonly do: "conclude"; readonly attempt: Attempt }
  /** A foreign transaction took the txNonce for good: every payment may be queued again. */
  | { readonly do: "give-back"; readonly consumer: Hex }
  /** Hand out the bytes of the newest attempt unchanged (again, or for the first time after a crash). */
  | { readonly do: "broadcast"; readonly attempt: Attempt }
  /**
   * Sign all or some of the newest attempt's payments at a higher fee under the same txNonce. `invalid`: no node takes
   * the attempt as it is.
   */
  | { readonly do: "replace"; readonly attempt: Attempt; readonly because: "time" | "fee" | "invalid" };

export type DecisionPolicy = {
  readonly confirmations: number;
  readonly rebroadcastAfterMs: number;
  readonly replaceAfterMs: number;
};

/** The send-state machine of one batch: a pure function of what is stored and what is seen. */
export function decideBatch(view: BatchView, policy: DecisionPolicy): BatchDecision {
  const { batch, mined, txCount, consumer } = view;
  if (mined !== undefined) {
    return mined.depth >= policy.confirmations ? { do: "conclude", attempt: mined.attempt } : WAIT;
  }
  const newest = batch.attempts.at(-1);
  if (newest === undefined) return WAIT;
  const foreign = consumer !== undefined && !batch.attempts.some(({ hash }) => same(hash, consumer));
  if (foreign) return { do: "give-back", consumer };

  // The txNonce is consumed, by one of our attempts or by a stranger. Broadcasting more does not help: wait for
  // evidence.
  if (txCount > batch.txNonce) return WAIT;

  // This process has not handed it out: it was stored or sent before a crash, or before a reorg. Send the same bytes.
  if (view.answer === undefined) return { do: "broadcast", attempt: newest };
  return insist(view, newest, view.answer, policy);
}

const WAIT: BatchDecision = { do: "wait" };

/** Decides how to push a transaction that is out or should be. */
function insist(view: BatchView, newest: Attempt, answer: BroadcastAnswer, policy: DecisionPolicy): BatchDecision {
  const { batch, nowMs, txCount } = view;
  const { rebroadcastAfterMs, replaceAfterMs } = policy;
  // Only the batch that is next in line is replaced because it is slow. Those behind it wait for it, not for a better
  // fee.
  const isNext = batch.txNonce === txCount;
  const age = nowMs - Math.max(newest.createdAtMs, view.seenSinceMs);
  const mayReplace = nowMs >= view.replaceNotBeforeMs;
  const again: BatchDecision =
    nowMs - (newest.broadcastAtMs ?? 0) >= rebroadcastAfterMs ? { do: "broadcast", attempt: newest } : WAIT;

  switch (answer) {
    case "invalid":
      // A refused no-op has no payments left to drop. Any other attempt is replaced when the answer comes a second
      // time.
      if (newest.kind === "noop" || !mayReplace) return again;
      if (view.answerTimes > 1) return { do: "replace", attempt: newest, because: "invalid" };
      return (nowMs - (newest.broadcastAtMs ?? 0)) * 8 >= rebroadcastAfterMs
        ? { do: "broadcast", attempt: newest }
        : WAIT;
    case "insufficient-funds":
      // A higher fee would need even more ether.
      return again;
    case "nonce-too-low":
      // If one of our attempts is mined, its receipt will show it. If it is a stranger's, evidence is needed. A higher
      // fee helps in neither case, so nothing is signed on this answer, however often it comes.
      return again;
    case "nonce-too-high":
      // Nodes take it as soon as they have those before it.
      return isNext ? { do: "broadcast", attempt: newest } : again;
    case "underpriced":
    case "fee-too-low":
      // It is replaced sooner than a transaction that only waits, but not at each look, because the answer may be
      // wrong.
      return mayReplace && age * 4 >= replaceAfterMs ? { do: "replace", attempt: newest, because: "fee" } : again;
    default:
      return mayReplace && isNext && age >= replaceAfterMs
        ? { do: "replace", attempt: newest, because: "time" }
        : again;
  }
}

function same(a: Hex, b: Hex): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

/**
 * The txNonces that must be filled with a no-op. They lie between the chain's count and the highest open batch, and no
 * transaction of this sender is on its way for them, so everything above would wait for ever. At most {@link
 * MAX_STRAY}, the lowest first.
 */
export function findGaps(
  txCount: number,
  open: readonly Pick<BatchRow, "txNonce">[],
  pendingTxCount: number,
): number[] {
  const nonces = new Set(open.map(({ txNonce }) => txNonce));
  const highest = Math.max(-1, ...nonces);
  const gaps: number[] = [];
  for (let txNonce = Math.max(txCount, 0); txNonce < highest && gaps.length < MAX_STRAY; txNonce += 1) {
    // A txNonce that the mempool counts as pending has a transaction, so it is no gap.
    if (!nonces.has(txNonce) && txNonce >= pendingTxCount) gaps.push(txNonce);
  }
  return gaps;
}

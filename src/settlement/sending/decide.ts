import type { Hex } from "viem";
import type { BroadcastAnswer } from "../../chain/sending/broadcast.ts";
import type { Attempt, BatchRow } from "../../journal/ports/batches.ts";
import { MAX_STRAY } from "./txCounts.ts";

/** What is known of one open batch, all read at about one time. */
export type BatchView = {
  readonly batch: BatchRow;
  readonly nowMs: number;
  /** The attempt that has a receipt, and how deep it is (1: in the newest block). */
  readonly mined: { readonly attempt: Attempt; readonly depth: number } | undefined;
  /** The sender's transaction count at the newest block. */
  readonly txCount: number;
  /**
   * The transaction that consumed the batch's txNonce at the depth at which that counts, if one did and was found. Its
   * hash is evidence; a transaction count alone is not.
   */
  readonly consumer: Hex | undefined;
  /** Since when this process has seen the batch open: it starts anew with a process, and with a reorg. */
  readonly seenSinceMs: number;
  /** What the nodes made of the newest attempt when this process last handed it out; undefined where it did not yet. */
  readonly answer: BroadcastAnswer | undefined;
  /** How often in a row that was the answer. */
  readonly answerTimes: number;
  /** The fee ceiling left no room for a replacement: not to be tried again before. */
  readonly replaceNotBeforeMs: number;
};

/** What to do about an open batch. */
export type BatchDecision =
  | { readonly do: "wait" }
  /** Deep enough: read the outcomes. */
  | { readonly do: "conclude"; readonly attempt: Attempt }
  /** A foreign transaction took the txNonce for good: every payment may be queued again. */
  | { readonly do: "give-back"; readonly consumer: Hex }
  /** Hand out the same bytes of the newest attempt (again, or for the first time after a crash). */
  | { readonly do: "broadcast"; readonly attempt: Attempt }
  /** Sign a subset of the newest attempt at a higher fee under the same txNonce. `invalid`: as it is, no node takes it. */
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

  // Consumed already, by one of ours or by a stranger: no more bytes help. Wait for evidence.
  if (txCount > batch.txNonce) return WAIT;

  // Not handed out by this process: stored just before a crash, or out before it, or before a reorg. Always the same bytes.
  if (view.answer === undefined) return { do: "broadcast", attempt: newest };
  return insist(view, newest, view.answer, policy);
}

const WAIT: BatchDecision = { do: "wait" };

/** How a transaction that is out, or should be, is pushed. */
function insist(view: BatchView, newest: Attempt, answer: BroadcastAnswer, policy: DecisionPolicy): BatchDecision {
  const { batch, nowMs, txCount } = view;
  const { rebroadcastAfterMs, replaceAfterMs } = policy;
  // Only the batch that is next in line is replaced for being slow: those behind it wait for it, not for a better fee.
  const isNext = batch.txNonce === txCount;
  const age = nowMs - Math.max(newest.createdAtMs, view.seenSinceMs);
  const mayReplace = nowMs >= view.replaceNotBeforeMs;
  const again: BatchDecision =
    nowMs - (newest.broadcastAtMs ?? 0) >= rebroadcastAfterMs ? { do: "broadcast", attempt: newest } : WAIT;

  switch (answer) {
    case "invalid":
      // A no-op that is refused has nothing left to drop. For anything else the answer is believed the second time.
      if (newest.kind === "noop" || !mayReplace) return again;
      if (view.answerTimes > 1) return { do: "replace", attempt: newest, because: "invalid" };
      return (nowMs - (newest.broadcastAtMs ?? 0)) * 8 >= rebroadcastAfterMs
        ? { do: "broadcast", attempt: newest }
        : WAIT;
    case "insufficient-funds":
      // A higher fee asks for more of what is not there.
      return again;
    case "nonce-too-low":
      // Either one of ours is mined, which its receipt will show, or a stranger's, which needs evidence. A higher fee helps
      // in neither case, so nothing is signed on this answer, however often it comes.
      return again;
    case "nonce-too-high":
      // Taken as soon as those before it are.
      return isNext ? { do: "broadcast", attempt: newest } : again;
    case "underpriced":
    case "fee-too-low":
      // Sooner than for a transaction that waits, but not with each look: the answer may be wrong.
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
 * The txNonces that must be filled with a no-op: between the chain's count and the lowest open batch nothing else of this
 * sender is on its way, so what is above would wait for ever. At most {@link MAX_STRAY}, the lowest first.
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
    // What the mempool counts as pending is somebody's transaction: not a gap.
    if (!nonces.has(txNonce) && txNonce >= pendingTxCount) gaps.push(txNonce);
  }
  return gaps;
}

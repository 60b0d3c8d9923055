import type { Hex } from "viem";
import type { Heads } from "../../chain/heads/follow.ts";

/** When to send, so that transactions leave as late as they still make the next block. Times in milliseconds. */
export type CutOff = {
  /**
   * The moment for what has waited since `sinceMs`: the first from now on that makes a block. Undefined as long as blocks
   * come irregularly.
   */
  readonly atMs: (sinceMs: number, nowMs: number) => number | undefined;
  /** A round of planning and sending begins. */
  readonly begin: (nowMs: number) => void;
  /** A batch of the round was handed out. */
  readonly sent: (batchId: Hex, nowMs: number) => void;
  /** A batch was mined in this block. */
  readonly mined: (batchId: Hex, blockNumber: bigint) => void;
  readonly view: () => CutOffView;
};

export type CutOffView = {
  /** Time between blocks; undefined as long as they come irregularly. */
  readonly periodMs: number | undefined;
  /** How long before a block is due a round begins. */
  readonly marginMs: number;
  /** Batches that were sent in time for a block and mined in it, and those that were mined later. */
  readonly inTime: number;
  readonly late: number;
};

/** Between the handing out of a transaction and the moment that its block is due, at first. */
const FIRST_GUARD_MS = 60;
const LEAST_GUARD_MS = 15;
/** A transaction that misses its block makes the guard longer, and so many in a row that make theirs make it shorter. */
const LONGER = 1.6;
const SHORTER = 0.85;
const IN_A_ROW = 10;
/** What missed is not tried again soon: the guard stays longer by this factor, which shrinks slowly. */
const CLEAR = 1.15;
const FORGIVE = 0.995;
/** A round takes as long as the longest of the last ones, which is forgotten by this part with each. */
const FORGET = 0.1;
const FIRST_ROUND_MS = 100;
/** Both together are at most this part of the time between blocks. */
const MOST = 0.6;
/** More batches than are ever on their way. */
const MAX_TRACKED = 1_000;

/**
 * Learns how long a round takes until its transactions are handed out, and how long before a block is due the node must
 * have them.
 */
export function createCutOff(heads: Pick<Heads, "newest" | "periodMs" | "dueMs">): CutOff {
  let guardMs = FIRST_GUARD_MS;
  let leastMs = LEAST_GUARD_MS;
  let roundMs = FIRST_ROUND_MS;
  let made = 0;
  let inTime = 0;
  let late = 0;
  let beganAtMs = 0;
  /** The block that the transactions of this round should make; undefined if it did not begin just in time for one. */
  let target: bigint | undefined;
  const targets = new Map<Hex, bigint>();

  const marginOf = (periodMs: number): number => Math.min(guardMs + roundMs, periodMs * MOST);

  /** The first block from the newest on whose moment to begin is not before `fromMs`: how many blocks ahead it is. */
  function blocksAhead(fromMs: number): { readonly blocks: number; readonly atMs: number } | undefined {
    const [periodMs, dueMs] = [heads.periodMs(), heads.dueMs(1)];
    if (periodMs === undefined || dueMs === undefined) return undefined;
    const firstMs = dueMs - marginOf(periodMs);
    const more = Math.max(0, Math.ceil((fromMs - firstMs) / periodMs));
    return { blocks: 1 + more, atMs: firstMs + more * periodMs };
  }

  return {
    // Whoever wakes up a little late is still in time.
    atMs: (sinceMs, nowMs) => blocksAhead(Math.max(sinceMs, nowMs - guardMs / 2))?.atMs,
    begin: (nowMs) => {
      beganAtMs = nowMs;
      const ahead = blocksAhead(nowMs - guardMs / 2);
      const newest = heads.newest();
      // What goes early, because a batch is full or urgent, makes its block in any case, and teaches nothing.
      const isInStep = ahead !== undefined && newest !== undefined && ahead.atMs - nowMs <= guardMs;
      target = isInStep ? newest + BigInt(ahead.blocks) : undefined;
    },
    sent: (batchId, nowMs) => {
      const tookMs = nowMs - beganAtMs;
      roundMs = Math.max(tookMs, roundMs + FORGET * (tookMs - roundMs));
      if (target === undefined || targets.size >= MAX_TRACKED) return;
      targets.set(batchId, target);
    },
    mined: (batchId, blockNumber) => {
      const wanted = targets.get(batchId);
      targets.delete(batchId);
      if (wanted === undefined) return;
      if (blockNumber <= wanted) {
        inTime += 1;
        made += 1;
        if (made % IN_A_ROW > 0) return;
        leastMs = Math.max(LEAST_GUARD_MS, leastMs * FORGIVE);
        guardMs = Math.max(leastMs, guardMs * SHORTER);
        return;
      }
      late += 1;
      made = 0;
      leastMs = guardMs * CLEAR;
      guardMs = Math.min(guardMs * LONGER, heads.periodMs() ?? guardMs);
    },
    view: () => {
      const periodMs = heads.periodMs();
      return { periodMs, marginMs: periodMs === undefined ? 0 : marginOf(periodMs), inTime, late };
    },
  };
}

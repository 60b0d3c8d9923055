import type { Hex } from "viem";
import type { Heads } from "../../chain/heads/heads.ts";

/** When to send, so that transactions leave as late as the next block can still take them. Times in milliseconds. */
export type CutOff = {
  /**
   * When a round that payments have waited for since `sinceMs` should begin: the first moment from now on that is just
   * in time for a block. Undefined as long as blocks come irregularly.
   */
  readonly atMs: (sinceMs: number, nowMs: number) => number | undefined;
  /** How long it is until the next round begins; 0 as long as blocks come irregularly. */
  readonly spareMs: (nowMs: number) => number;
  /** A round of planning and sending begins. */
  readonly begin: (nowMs: number) => void;
  /** A batch of the round was sent to the node. */
  readonly sent: (batchId: Hex, nowMs: number) => void;
  /** A batch was mined in this block; undefined if it is not known any more which one that was. */
  readonly mined: (batchId: Hex, blockNumber: bigint | undefined) => void;
  readonly view: () => CutOffView;
};

export type CutOffView = {
  /** Time between blocks; undefined as long as they come irregularly. */
  readonly periodMs: number | undefined;
  /** How long a round begins before a block is due. */
  readonly marginMs: number;
  /** Batches that were sent in time for a block and mined in it, and those that were mined later. */
  readonly inTime: number;
  readonly late: number;
};

/** The guard: how long before its block is due a transaction must be with the node. It begins with this value. */
const FIRST_GUARD_MS = 60;
const LEAST_GUARD_MS = 15;
/** A transaction that misses its block makes the guard longer; this many in a row that do not miss make it shorter. */
const LONGER = 1.6;
const SHORTER = 0.85;
const IN_A_ROW = 10;
/** A guard that missed is not tried again soon: the least guard becomes longer than it by this factor, then shrinks. */
const CLEAR = 1.15;
const FORGIVE = 0.995;
/** A round is expected to take as long as the longest of the last ones. Each shorter one moves that by this part. */
const FORGET = 0.1;
const FIRST_ROUND_MS = 100;
/** Guard and round together are at most this part of the time between blocks. */
const MOST = 0.6;
/** More batches than are ever on their way. */
const MAX_TRACKED = 1_000;

/**
 * Learns how long a round takes until its transactions are sent, and how long before a block is due the node must have
 * them.
 */
export function createCutOff(heads: Pick<Heads, "newest" | "periodMs" | "dueMs">): CutOff {
  let guardMs = FIRST_GUARD_MS;
  let leastMs = LEAST_GUARD_MS;
  /** How many blocks more there are than the node tells. */
  let behind = 0n;
  let roundMs = FIRST_ROUND_MS;
  let made = 0;
  let inTime = 0;
  let late = 0;
  let beganAtMs = 0;
  /** The block that should include this round's transactions; undefined if it did not begin just in time for one. */
  let target: bigint | undefined;
  const targets = new Map<Hex, bigint>();

  const marginOf = (periodMs: number): number => Math.min(guardMs + roundMs, periodMs * MOST);

  /** The next block whose round begins at `fromMs` or later: how many blocks ahead it is, and when its round begins. */
  function blocksAhead(fromMs: number): { readonly blocks: number; readonly atMs: number } | undefined {
    const [periodMs, dueMs] = [heads.periodMs(), heads.dueMs(1)];
    if (periodMs === undefined || dueMs === undefined) return undefined;
    const firstMs = dueMs - marginOf(periodMs);
    const more = Math.max(0, Math.ceil((fromMs - firstMs) / periodMs));
    return { blocks: 1 + more, atMs: firstMs + more * periodMs };
  }

  return {
    // A timer that fires a little late is still in time.
    atMs: (sinceMs, nowMs) => blocksAhead(Math.max(sinceMs, nowMs - guardMs / 2))?.atMs,
    spareMs: (nowMs) => Math.max(0, (blocksAhead(nowMs)?.atMs ?? nowMs) - nowMs),
    begin: (nowMs) => {
      beganAtMs = nowMs;
      const ahead = blocksAhead(nowMs - guardMs / 2);
      const newest = heads.newest();
      // A round that begins early, since a batch is full or urgent, is in time in any case, so it teaches nothing.
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
      if (wanted === undefined || blockNumber === undefined) return;
      const blocksLate = blockNumber - wanted - behind;
      if (blocksLate <= 0n) {
        // It can be mined no earlier than wanted, so the node tells as many blocks again.
        if (blocksLate < 0n) behind = blockNumber > wanted ? blockNumber - wanted : 0n;
        inTime += 1;
        made += 1;
        if (made % IN_A_ROW > 0) return;
        leastMs = Math.max(LEAST_GUARD_MS, leastMs * FORGIVE);
        guardMs = Math.max(leastMs, guardMs * SHORTER);
        return;
      }
      late += 1;
      made = 0;
      const periodMs = heads.periodMs();
      // It would have made the next block. Something else held it up, such as a transaction before it.
      if (periodMs === undefined || blocksLate > 1n) return;
      const longestMs = periodMs * MOST;
      if (guardMs >= longestMs) {
        // Sending earlier and earlier changed nothing: the block had come before the node told so.
        behind += 1n;
        guardMs = FIRST_GUARD_MS;
        leastMs = LEAST_GUARD_MS;
        return;
      }
      leastMs = Math.min(guardMs * CLEAR, longestMs);
      guardMs = Math.min(guardMs * LONGER, longestMs);
    },
    view: () => {
      const periodMs = heads.periodMs();
      return { periodMs, marginMs: periodMs === undefined ? 0 : marginOf(periodMs), inTime, late };
    },
  };
}

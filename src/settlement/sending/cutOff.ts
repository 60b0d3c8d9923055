import type { Hex } from "viem";
import type { Heads } from "../../chain/heads/heads.ts";
import { createRoundPace } from "./roundPace.ts";

/** When to send, so that transactions leave as late as the next block can still take them. Times in milliseconds. */
export type CutOff = {
  /**
   * When a round should begin that `count` payments have waited for since `sinceMs`: the moment that is just in time for
   * the next block that still can take one payment. If many came late, that moment may be over, and the round takes as
   * many as {@link CutOff.begin} says. No second round is for the same block. Undefined as long as blocks come
   * irregularly.
   */
  readonly atMs: (sinceMs: number, nowMs: number, count: number) => number | undefined;
  /** How long it is until a round of `count` payments begins; 0 as long as blocks come irregularly. */
  readonly spareMs: (nowMs: number, count: number) => number;
  /**
   * A round of planning and sending begins, for which `count` payments have waited.
   * @returns How many of them can be in time for the block; undefined if all can, or it did not begin for a block.
   */
  readonly begin: (nowMs: number, count: number) => number | undefined;
  /** A batch of the round was sent to the node, with so many payments. */
  readonly sent: (batchId: Hex, count: number, nowMs: number) => void;
  /** A batch was mined in this block; undefined if it is not known any more which one that was. */
  readonly mined: (batchId: Hex, blockNumber: bigint | undefined) => void;
  readonly view: () => CutOffView;
};

export type CutOffView = {
  /** Time between blocks; undefined as long as they come irregularly. */
  readonly periodMs: number | undefined;
  /** How long a round begins before a block is due if it is as large as the last one. */
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
/**
 * A round is expected to take as long as the longest of the last ones. Each shorter one moves that by this part. What
 * each payment adds to a round is taken out of the comparison.
 */
const FORGET = 0.1;
const FIRST_ROUND_MS = 100;
/** Guard and round together are at most this part of the time between blocks. */
const MOST = 0.6;
/** More batches than are ever on their way. */
const MAX_TRACKED = 1_000;

/**
 * Learns how long a round takes until its transactions are sent, by how many payments it has, and how long before a
 * block is due the node must have them.
 */
export function createCutOff(heads: Pick<Heads, "newest" | "periodMs" | "dueMs">): CutOff {
  let guardMs = FIRST_GUARD_MS;
  let leastMs = LEAST_GUARD_MS;
  /** How many blocks more there are than the node tells. */
  let behind = 0n;
  const pace = createRoundPace();
  /** How long a round takes beyond what its payments add. */
  let baseMs = FIRST_ROUND_MS;
  let made = 0;
  let inTime = 0;
  let late = 0;
  /** The round: when it began, how many payments it has sent so far, and how many the last one sent. */
  let beganAtMs = 0;
  let carried = 0;
  let lastCarried = 0;
  /** The block that should include this round's transactions; undefined if it did not begin just in time for one. */
  let target: Target | undefined;
  /** The newest block that a round was sent for. */
  let served: bigint | undefined;
  const sent = new Map<Hex, { readonly number: bigint; readonly isPunctual: boolean }>();

  const roundMs = (count: number): number => baseMs + pace.addedMs(count);
  const marginOf = (periodMs: number, count: number): number => Math.min(guardMs + roundMs(count), periodMs * MOST);

  /**
   * The next block that has no round yet and whose round could begin at `fromMs` or later with one payment: how many blocks
   * ahead it is, and when its round begins with `count` payments.
   */
  function blocksAhead(fromMs: number, count: number) {
    const [periodMs, dueMs, newest] = [heads.periodMs(), heads.dueMs(1), heads.newest()];
    if (periodMs === undefined || dueMs === undefined) return undefined;
    const lastMs = dueMs - marginOf(periodMs, 1);
    let more = Math.max(0, Math.ceil((fromMs - lastMs) / periodMs));
    if (newest !== undefined && newest + BigInt(1 + more) === served) more += 1;
    const nextDueMs = dueMs + more * periodMs;
    return { blocks: 1 + more, dueMs: nextDueMs, atMs: nextDueMs - marginOf(periodMs, count) };
  }

  return {
    // A timer that fires a little late is still in time.
    atMs: (sinceMs, nowMs, count) => blocksAhead(Math.max(sinceMs, nowMs - guardMs / 2), count)?.atMs,
    spareMs: (nowMs, count) => Math.max(0, (blocksAhead(nowMs, count)?.atMs ?? nowMs) - nowMs),
    begin: (nowMs, count) => {
      beganAtMs = nowMs;
      if (carried > 0) lastCarried = carried;
      carried = 0;
      const ahead = blocksAhead(nowMs - guardMs / 2, count);
      const newest = heads.newest();
      // A round that begins early, since a batch is full or urgent, is in time in any case, so it teaches nothing.
      const isInStep = ahead !== undefined && newest !== undefined && ahead.atMs - nowMs <= guardMs;
      target = isInStep ? { number: newest + BigInt(ahead.blocks), dueMs: ahead.dueMs } : undefined;
      const isLate = isInStep && nowMs - ahead.atMs > guardMs / 2;
      return isLate ? pace.within(ahead.dueMs - guardMs / 2 - nowMs - baseMs) : undefined;
    },
    sent: (batchId, count, nowMs) => {
      carried += count;
      const tookMs = nowMs - beganAtMs;
      const expectedMs = roundMs(carried);
      pace.note(carried, tookMs);
      const restMs = Math.max(0, tookMs - pace.addedMs(carried));
      baseMs = Math.max(restMs, baseMs + FORGET * (restMs - baseMs));
      if (target === undefined) return;
      const { number, dueMs } = target;
      served = number;
      const isPunctual = tookMs <= expectedMs || nowMs <= dueMs - guardMs;
      if (sent.size < MAX_TRACKED) sent.set(batchId, { number, isPunctual });
    },
    mined: (batchId, blockNumber) => {
      const wanted = sent.get(batchId);
      sent.delete(batchId);
      if (wanted === undefined || blockNumber === undefined) return;
      const blocksLate = blockNumber - wanted.number - behind;
      if (blocksLate <= 0n) {
        // It can be mined no earlier than wanted, so the node tells as many blocks again.
        if (blocksLate < 0n) behind = blockNumber > wanted.number ? blockNumber - wanted.number : 0n;
        inTime += 1;
        made += 1;
        if (made % IN_A_ROW > 0) return;
        leastMs = Math.max(LEAST_GUARD_MS, leastMs * FORGIVE);
        guardMs = Math.max(leastMs, guardMs * SHORTER);
        return;
      }
      late += 1;
      // If its round took too long, that says nothing about the guard.
      if (!wanted.isPunctual) return;
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
      const count = carried > 0 ? carried : lastCarried;
      return { periodMs, marginMs: periodMs === undefined ? 0 : marginOf(periodMs, count), inTime, late };
    },
  };
}

type Target = { readonly number: bigint; readonly dueMs: number };

import type { Clock } from "../../clock.ts";
import { describeError } from "../../failures.ts";
import type { Logger } from "../../logger.ts";
import { readBlockTime } from "../blockTime.ts";
import type { ChainClient } from "../client.ts";
import { minesOnDemand } from "../development.ts";
import { createCadence } from "./cadence.ts";
import { createLessons } from "./lessons.ts";
import { subscribeHeads } from "./subscribe.ts";

/** The newest block of a chain, and when the next ones are due. */
export type Heads = {
  /** The number of the newest block; undefined before the first was seen. */
  readonly newest: () => bigint | undefined;
  /** Time between blocks in milliseconds; undefined if they come irregularly, on demand, or not at all just now. */
  readonly periodMs: () => number | undefined;
  /** When a block is due that comes `blocks` after the newest, in milliseconds of the clock; undefined as above. */
  readonly dueMs: (blocks: number) => number | undefined;
  /** Calls `listener` for each new block. If several came at once, it is called once. */
  readonly onHead: (listener: () => void) => void;
  /** Begins to follow. Resolves once the signal has aborted and the last question is answered. */
  readonly follow: () => Promise<void>;
};

/** For callers that do not follow blocks. */
export const NO_HEADS: Heads = {
  newest: () => undefined,
  periodMs: () => undefined,
  dueMs: () => undefined,
  onHead: () => undefined,
  follow: async () => undefined,
};

export type HeadsClient = Pick<ChainClient, "getBlock" | "getBlockNumber" | "request">;

export type FollowOptions = {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly signal: AbortSignal;
  /** A node that announces new blocks. Without it, `client` is asked when a block is due. */
  readonly webSocketUrl?: string | undefined;
  /** The pause between two questions as long as blocks come irregularly, in milliseconds. */
  readonly pollMs: number;
};

type Subscription = {
  /** Whether it was the first to announce the newest block. */
  isFirst: boolean;
  /** The newest block that it announced, or that was known when it began; undefined before either. */
  told: bigint | undefined;
  /** Whether it has announced any. */
  isGood: boolean;
  /** How many blocks it was the first to announce. */
  announced: number;
  readonly lose: () => void;
};

/** A subscription that is behind by more blocks than this is given up. */
const LAG = 2n;
/** If it announces a block that is ahead of the newest by more than this, the node is asked what is true. */
const AHEAD = 10n;
/** For one block in so many, the node is asked although a subscription announces them: it may announce them late. */
const CHECKED = 16;
/** To learn when blocks come, the node is asked this often. */
const LEARNING_MS = 100;
/** While a block is due, the node is asked this many times per period, … */
const STEPS = 40;
/** … with at least this pause between two questions. */
const SHORTEST_STEP_MS = 20;
/**
 * An answer that is behind the newest block by at most this is ignored. If it is behind by more, the chain began anew.
 */
const BEHIND = 3n;
/** A block that is late by this many periods may never come, so nothing is expected of those after it either. */
const OVERDUE = 2.5;
/** The pause before a lost subscription is opened again. It doubles with each failure. */
const REOPEN_MS = 1_000;
const MAX_REOPEN_MS = 60_000;

/**
 * Follows the newest block: by subscription if there is a WebSocket, otherwise by asking shortly before each block is
 * due. If a subscription is silent although there are new blocks, the node is asked until a new subscription announces
 * blocks.
 */
export function createHeads(client: HeadsClient, options: FollowOptions): Heads {
  const { clock, logger, signal, pollMs, webSocketUrl } = options;
  const listeners: (() => void)[] = [];
  let cadence = createCadence();
  let newest: bigint | undefined;
  /** When the node was asked last with success. */
  let askedAtMs = Number.NEGATIVE_INFINITY;
  let failures = 0;
  /** How long before a block is due the first question comes; at least a step. */
  let leadMs = 0;
  let subscription: Subscription | undefined;
  const lessons = createLessons(clock.now());
  let waking = new AbortController();
  /** The period that the blocks' headers show. */
  let supposedMs: number | undefined;
  /** Whether something was announced that is hard to believe. */
  let isInDoubt = false;
  /** Whether a block is made for each transaction, even if blocks come regularly. */
  let isOnDemand = false;

  /** Whether the newest block is so old that nothing can be said about when the next one comes. */
  const isOverdue = (): boolean => {
    const [dueMs, period] = [cadence.dueMs(1), cadence.periodMs()];
    return dueMs !== undefined && period !== undefined && clock.now() - dueMs > OVERDUE * period;
  };

  /** @param seenAtMs When the block came; undefined, as not known, if the node was not asked shortly before. */
  function see(number: bigint, seenAtMs: number | undefined): boolean {
    if (newest !== undefined && number <= newest && number >= newest - BEHIND) return false;
    if (newest !== undefined && number < newest) cadence = createCadence(supposedMs);
    // The chain goes on after it stood still.
    if (isOverdue()) lessons.begin(clock.now());
    newest = number;
    if (seenAtMs !== undefined) cadence.note({ number, seenAtMs });
    lessons.noteBlock(periodMs() !== undefined, clock.now());
    for (const listener of listeners) listener();
    return true;
  }

  const isUnknown = (): boolean => isOnDemand || isOverdue();
  const periodMs = (): number | undefined => (isUnknown() ? undefined : cadence.periodMs());
  const stepOf = (period: number): number => Math.max(SHORTEST_STEP_MS, period / STEPS);

  /** How long to wait before the node is asked. */
  function pauseMs(): number {
    const [dueMs, period] = [cadence.dueMs(1), periodMs()];
    if (failures > 0) return Math.min(5_000, pollMs * 2 ** Math.min(failures, 10));
    if (isInDoubt) return askedAtMs + LEARNING_MS - clock.now();
    if (dueMs === undefined || period === undefined) return mayLearn() ? Math.min(pollMs, LEARNING_MS) : pollMs;
    const nowMs = clock.now();
    // The subscription announces blocks; a question only checks that it works.
    const isChecked = (subscription?.announced ?? 0) % CHECKED === 0;
    if (subscription?.isFirst === true && !isChecked) return Math.max(pollMs, dueMs + period / 2 - nowMs);
    const early = Math.max(stepOf(period), leadMs);
    const lateMs = nowMs - dueMs;
    if (lateMs < -early) return -early - lateMs;
    if (lateMs < period / 2) return stepOf(period);
    // It may come at any time now, or be missing and be seen with one of the next, which come at their times.
    const sinceDueMs = lateMs % period;
    const untilDueMs = period - sinceDueMs - early;
    return sinceDueMs < early || untilDueMs <= 0 ? stepOf(period) : Math.min(pollMs, period / 4, untilDueMs);
  }

  const mayLearn = (): boolean => !isOnDemand && subscription?.isFirst !== true && lessons.take(clock.now());

  async function ask(): Promise<void> {
    const [dueMs, period] = [cadence.dueMs(1), periodMs()];
    const sinceMs = askedAtMs;
    const before = clock.now();
    const number = await client.getBlockNumber();
    askedAtMs = before;
    failures = 0;
    isInDoubt = false;
    // The block came between the last question and this one.
    const gapMs = before - sinceMs;
    let step = Math.min(gapMs, pollMs);
    if (period !== undefined) {
      // The first question comes early enough that the block came shortly before the one that finds it.
      if (gapMs > period / 2 || gapMs < 2 * stepOf(period)) step = Math.min(gapMs, stepOf(period));
      const isNew = newest === undefined || number > newest;
      // If the first question finds a block that is not due yet, it may have come long before. The next question comes earlier.
      if (isNew && dueMs !== undefined && before < dueMs && gapMs > period / 2) {
        step = Math.max(step, leadMs);
        leadMs = Math.min(period / 2, 2 * step);
      } else if (isNew) leadMs /= 2;
    }
    const isSharp = period !== undefined || gapMs <= 2 * pollMs;
    if (!see(number, isSharp ? before - step / 2 : undefined)) return;
    if (subscription === undefined) return;
    subscription.isFirst = false;
    subscription.told ??= number;
    if (number - subscription.told <= LAG) return;
    logger.warn("the subscription to new blocks is silent; the node is asked until another is open", { number });
    subscription.lose();
    subscription = undefined;
  }

  async function poll(): Promise<void> {
    while (!signal.aborted) {
      const isTime = await pause(pauseMs());
      if (signal.aborted) return;
      if (!isTime) continue;
      try {
        await ask();
      } catch {
        // What uses the node for its work reports what is wrong with it.
        failures += 1;
      }
    }
  }

  /** Waits. False if a sighting or the end of the subscription cut it short: they change how long to wait. */
  async function pause(ms: number): Promise<boolean> {
    waking = new AbortController();
    const { signal: woken } = waking;
    if (!signal.aborted) await clock.sleep(Math.max(1, ms), woken);
    return !woken.aborted;
  }

  async function subscribe(url: string): Promise<void> {
    let failed = 0;
    while (!signal.aborted) {
      let lose = (): void => undefined;
      const lost = new Promise<void>((resolve) => {
        lose = resolve;
      });
      signal.addEventListener("abort", lose, { once: true });
      const opened: Subscription = { isFirst: false, told: newest, isGood: false, announced: 0, lose };
      try {
        const end = await subscribeHeads(url, {
          onHead: (number) => hear(opened, number),
          onLost: lose,
          clock,
          signal,
        });
        subscription = opened;
        await lost;
        end();
      } catch (error) {
        if (failed === 0) logger.warn("no subscription to new blocks; the node is asked instead", describeError(error));
      }
      signal.removeEventListener("abort", lose);
      subscription = undefined;
      waking.abort();
      await clock.sleep(Math.min(MAX_REOPEN_MS, REOPEN_MS * 2 ** failed), signal);
      failed = opened.isGood ? 0 : Math.min(failed + 1, 10);
    }
  }

  function hear(opened: Subscription, number: bigint): void {
    if (newest !== undefined && (number < newest - BEHIND || number > newest + AHEAD)) {
      isInDoubt = true;
      waking.abort();
      return;
    }
    opened.told = number;
    opened.isGood = true;
    if (!see(number, clock.now())) return;
    opened.isFirst = true;
    opened.announced += 1;
    waking.abort();
  }

  async function follow(): Promise<void> {
    signal.addEventListener("abort", () => waking.abort(), { once: true });
    void minesOnDemand(client).then((answer) => {
      isOnDemand = answer;
    });
    void readBlockTime(client).then((ms) => {
      supposedMs = ms;
      if (ms !== undefined) cadence.suppose(ms);
    });
    await Promise.all([poll(), webSocketUrl === undefined ? undefined : subscribe(webSocketUrl)]);
  }

  return {
    newest: () => newest,
    periodMs,
    dueMs: (blocks) => (isUnknown() ? undefined : cadence.dueMs(blocks)),
    onHead: (listener) => void listeners.push(listener),
    follow,
  };
}

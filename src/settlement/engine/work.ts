import { type Steady, startSteady } from "../../async/steady.ts";
import { readBalances } from "../../chain/facts/balances.ts";
import type { Heads } from "../../chain/heads/heads.ts";
import type { Steps } from "../../chain/heads/steps.ts";
import { readHorizon } from "../../chain/horizon.ts";
import { everyRow } from "../../journal/pages.ts";
import { OPEN_STATES } from "../../journal/ports/payments.ts";
import { groupBy } from "../../lists.ts";
import { dispatch, hasRoom } from "../dispatch/dispatch.ts";
import type { DispatchPort } from "../dispatch/port.ts";
import { nextDispatchMs, type Queue } from "../dispatch/schedule.ts";
import type { Exposure } from "../intake/exposure.ts";
import { closeVariants } from "../intake/variants.ts";
import { createFollow, type FinalityPort } from "../outcome/finality.ts";
import type { OutcomeWatch } from "../outcome/watch.ts";
import type { CutOff } from "../sending/cutOff.ts";
import type { Changes } from "./changes.ts";
import type { Waiters } from "./waiters.ts";

export type WorkPort = Omit<DispatchPort, "isStopping"> &
  FinalityPort & {
    readonly queue: Queue;
    readonly exposure: Exposure;
    readonly waiters: Waiters;
    readonly heads: Heads;
    readonly cutOff: CutOff;
    /** The steps in which a block is preconfirmed; undefined if preconfirmations are not looked at. */
    readonly steps: Steps | undefined;
    readonly watch: OutcomeWatch;
    readonly note: Changes["note"];
    /** Aborts once nothing new may be sent. */
    readonly finishing: AbortSignal;
    /** Aborts once all work has to end. */
    readonly closing: AbortSignal;
  };

/** What an engine does by itself. */
export type Work = {
  /** From now on no payment waits for company. */
  readonly flush: () => void;
  /** Looks now at what is in flight. */
  readonly look: () => void;
  /** Resolves when the current round of dispatch is over, which is soon once `finishing` has aborted. */
  readonly idle: () => Promise<void>;
  /** Resolves when the round for the next block is over, if one is under way, or has taken long already. */
  readonly roundOver: () => Promise<void>;
  /** Resolves some time after `closing` has aborted. */
  readonly ended: Promise<unknown>;
};

/** How far the clocks of several processes may be apart. Rows that waiters have missed are found by their time. */
const CLOCK_SLACK_MS = 60_000;
const PAGE = 1_000;
/** Payers whose balances are read in one round. */
const WATCHED_PAYERS = 800;
/** How far back changes of open payments are searched. Each round checks a thousand of them. */
const LEARNT_WITHIN_MS = 3_600_000;

/** The longest that others are asked to wait for a round. */
const MOST_HELD_MS = 400;
/** How long a payment that comes to an idle engine waits for others of the same moment, where steps are short. */
const LONE_MS = 25;
/** A round may begin this much early, for timers are not exact. */
const JITTER_MS = 20;
/** How long after the end of a step a node is asked for it. */
const SEALED_MS = 25;
/** How often it is asked as long as it is not known when steps end. */
const UNKNOWN_STEP_MS = 100;

/**
 * Starts everything that an engine does by itself. Each part runs alone, so one that fails does not stop the others.
 */
export function startWork(port: WorkPort): Work {
  const { journal, client, policy, pace, clock, logger, senders, queue, heads, cutOff, closing, finishing } = port;
  const common = { clock, logger, signal: closing };
  let isFlushing = false;
  /** When the newest round began that sent something. */
  let beganAtMs = 0;
  let notBeforeMs = 0;
  /** Whether there was more in the queue than one round takes. */
  let isLong = false;
  let round: Promise<void> = Promise.resolve();
  /** The same if it is for the next block, or the longest that others are asked to wait for it. */
  let forBlock: Promise<void> = Promise.resolve();
  const inFlight = (): number => senders.reduce((sum, sender) => sum + sender.openBatches(), 0);
  /** Whether blocks, or their steps, follow one another too fast to send for each. */
  const isFast = (): boolean =>
    (cutOff.view().periodMs ?? Number.POSITIVE_INFINITY) <= policy.sendEveryMs / senders.length;
  /** When to send `count` payments that have waited since `sinceMs`, in step with blocks or with their steps. */
  const cutOffAt = (sinceMs: number, nowMs: number, count: number): number | undefined => {
    if (!isFast()) return cutOff.atMs(sinceMs, nowMs, count);
    const freeMs = beganAtMs + policy.sendEveryMs / senders.length;
    // Whoever comes to an idle engine goes at once, since the next step may be sooner than it seems.
    return sinceMs >= freeMs ? sinceMs + LONE_MS : cutOff.atMs(Math.max(sinceMs, freeMs - JITTER_MS), nowMs, count);
  };
  /** How long it is until the next step of a block is sealed and can be read. */
  const untilSealedMs = (): number => {
    if (port.steps === undefined) return pace.pollMs;
    const dueMs = port.steps.dueMs(1);
    return dueMs === undefined ? UNKNOWN_STEP_MS : Math.max(0, dueMs - clock.now()) + SEALED_MS;
  };
  const dispatchAt = (): number | undefined => {
    if (finishing.aborted) return undefined;
    const nowMs = clock.now();
    const waiting = queue.view();
    const cutOffMs = isFlushing ? undefined : cutOffAt(waiting.sinceMs ?? nowMs, nowMs, waiting.waiting);
    const view = { ...waiting, nowMs, inFlight: inFlight(), hasRoom: hasRoom(port), notBeforeMs, cutOffMs };
    return nextDispatchMs(view, isFlushing ? { ...pace, lingerMs: 0, maxLingerMs: 0 } : pace);
  };

  const leases = startSteady({
    ...common,
    name: "leases",
    pauseMs: () => policy.leaseTtlMs / 6,
    work: async () => {
      for (const sender of senders) await sender.keepLease();
    },
  });

  const ticks = senders.map((sender) =>
    startSteady({
      ...common,
      name: `sender ${sender.address}`,
      pauseMs: () => (sender.openBatches() > 0 ? Math.min(pace.pollMs, untilSealedMs()) : pace.pollMs),
      work: async () => {
        const before = sender.openBatches();
        await sender.tick();
        // There is room for waiting payments again.
        if (sender.openBatches() < before) queueLoop.wake();
      },
    }),
  );

  const queueLoop: Steady = startSteady({
    ...common,
    name: "dispatch",
    pauseMs: () => {
      const at = dispatchAt();
      return at === undefined ? pace.pollMs : Math.min(pace.pollMs, Math.max(0, at - clock.now()));
    },
    work: async () => {
      const at = dispatchAt();
      if (at === undefined || at > clock.now()) return;
      const before = queue.take();
      const startedMs = clock.now();
      const inTime = cutOff.begin(startedMs, before.waiting);
      // A full or urgent batch waits for no block, and what misses one of many makes the next.
      const isForBlock = !before.isUrgent && before.waiting < pace.fullBatch && !isFast();
      const most = isForBlock ? inTime : undefined;
      const running = dispatch({ ...port, isStopping: () => finishing.aborted }, most);
      round = running.then(
        () => undefined,
        () => undefined,
      );
      // A round that is not for a block may be one of many, one after the other.
      const isForNext = isForBlock && heads.periodMs() !== undefined;
      forBlock = isForNext ? Promise.race([round, clock.sleep(MOST_HELD_MS, closing)]) : Promise.resolve();
      try {
        const { picked, done, hasMore } = await running;
        isLong = picked > 0 && hasMore && most === undefined;
        const more = most === undefined ? pace.fullBatch : Math.max(1, before.waiting - picked);
        const left = picked - done + (hasMore ? more : 0);
        if (left > 0) {
          const { earliestDeadlineSeconds: deadlineSeconds, isUrgent, sinceMs = clock.now() } = before;
          queue.putBack({ count: left, deadlineSeconds, isUrgent, sinceMs });
        }
        // Nothing was sent although there was room, and the reason will not pass at once.
        if (left > 0 && done === 0) notBeforeMs = clock.now() + pace.pollMs;
        if (done > 0) beganAtMs = startedMs;
        if (done > 0) for (const tick of ticks) tick.wake();
      } catch (error) {
        queue.putBack({ count: before.waiting, sinceMs: before.sinceMs ?? clock.now(), isUrgent: before.isUrgent });
        throw error;
      }
    },
  });

  queue.onAdd(() => queueLoop.wake());
  // Outcomes are read as soon as there is a block that may hold them.
  heads.onHead(() => {
    for (const [i, tick] of ticks.entries()) if ((senders[i]?.openBatches() ?? 0) > 0) tick.wake();
  });

  let lastSweptMs = 0;
  const sweep = startSteady({
    ...common,
    name: "queue",
    pauseMs: () => pace.sweepMs,
    work: async () => {
      // What another process accepted, what became due, and what a dead engine had picked.
      if (!finishing.aborted) queue.add({ count: 0, sinceMs: clock.now() });
      // This reads the whole queue, so a long one is sent first.
      if (!isLong) await port.apply(await closeVariants(journal, client.chain.id));
      const nowMs = clock.now();
      const waited = port.waiters.ids();
      if (waited.length > 0) port.note(await journal.changed(waited, lastSweptMs - CLOCK_SLACK_MS));
      const open = port.exposure.some(PAGE);
      if (open.length > 0) port.note(await journal.changed(open, nowMs - LEARNT_WITHIN_MS));
      lastSweptMs = nowMs;
    },
  });

  const followed = senders.map((sender) => ({ sender, follow: createFollow(port) }));
  const finality = startSteady({
    ...common,
    name: "finality",
    pauseMs: () => pace.finalityMs,
    work: async () => {
      const horizon = await readHorizon(client);
      for (const { sender, follow } of followed) {
        const lease = sender.lease();
        if (lease !== undefined) await follow(lease, horizon);
      }
      if (horizon !== undefined) await port.watch.look(horizon);
    },
  });

  let isLoaded = false;
  const balances = startSteady({
    ...common,
    name: "balances",
    pauseMs: () => pace.watchBalancesMs,
    work: async () => {
      if (!isLoaded) await load();
      isLoaded = true;
      // If no payment waits longer than the pause between two looks, a look changes nothing.
      if (Math.max(pace.maxLingerMs, pace.lingerMs) <= pace.watchBalancesMs) return;
      await watchBalances();
    },
  });

  /** Loads what the journal held before: exposure, deadlines, outcomes that are not final. */
  async function load(): Promise<void> {
    const query = { chainId: client.chain.id, states: OPEN_STATES };
    for await (const rows of everyRow((page) => journal.list({ ...query, ...page }))) {
      port.note(rows);
      for (const row of rows) {
        if (row.state !== "queued") continue;
        queue.add({ count: 1, deadlineSeconds: row.deadlineSeconds, sinceMs: clock.now() });
      }
      if (closing.aborted) break;
    }
    await port.watch.load(closing);
    const strangers = (await journal.senders(client.chain.id)).filter(
      ({ sender, openBatches }) => openBatches > 0 && !senders.some(({ address }) => address === sender),
    );
    for (const { sender, openBatches } of strangers) {
      logger.warn("the journal has open batches of a key that this engine does not have", { sender, openBatches });
    }
  }

  async function watchBalances(): Promise<void> {
    for (const [token, payers] of groupBy(port.exposure.payers(WATCHED_PAYERS), (one) => one.token)) {
      const amounts = await readBalances(
        client,
        token,
        payers.map(({ payer }) => payer),
      );
      for (const [i, { payer }] of payers.entries()) {
        port.exposure.noteBalance(token, payer, amounts[i] ?? 0n);
        if (!port.exposure.isStrained(token, payer, pace.exposurePermille)) continue;
        queue.add({ count: 1, isUrgent: true, sinceMs: clock.now() });
      }
    }
  }

  const all = [leases, ...ticks, queueLoop, sweep, finality, balances];
  return {
    flush: () => {
      isFlushing = true;
      queueLoop.wake();
    },
    look: () => {
      for (const tick of ticks) tick.wake();
    },
    idle: () => round,
    roundOver: () => forBlock,
    ended: Promise.all([...all.map(({ ended }) => ended), heads.follow()]),
  };
}

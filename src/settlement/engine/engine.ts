import { randomUUID } from "node:crypto";
import { setImmediate as nextTurn } from "node:timers/promises";
import { gather } from "../../async/gather.ts";
import { createHeads, NO_HEADS } from "../../chain/heads/heads.ts";
import { createSteps } from "../../chain/heads/steps.ts";
import { type Clock, systemClock } from "../../clock.ts";
import { TributaryError } from "../../errors.ts";
import { OPEN_STATES, type Transition } from "../../journal/ports/payments.ts";
import { type Logger, silentLogger } from "../../logger.ts";
import { recompose } from "../dispatch/compose.ts";
import { createQueue } from "../dispatch/schedule.ts";
import { createStanding } from "../dispatch/standing.ts";
import {
  type Admission,
  admit,
  admitCall,
  type CallSubmission,
  findRefusal,
  type IntakePort,
  type Submission,
} from "../intake/admit.ts";
import { beyondCaps } from "../intake/caps.ts";
import { createExposure } from "../intake/exposure.ts";
import { findShortfalls } from "../intake/funds.ts";
import { createConclusions } from "../outcome/conclusions.ts";
import { createPreconfirmations } from "../outcome/preconfirmations.ts";
import { createOutcomeWatch } from "../outcome/watch.ts";
import { type Pace, USUAL_PACE } from "../pace.ts";
import { resolvePolicy } from "../policy.ts";
import { createCutOff } from "../sending/cutOff.ts";
import { createSender } from "../sending/sender.ts";
import type { Sender } from "../sending/types.ts";
import { createChanges } from "./changes.ts";
import { EngineBusyError, EngineClosedError } from "./errors.ts";
import { type Patience, takeKeys } from "./takeKeys.ts";
import type { EngineOptions, SettlementEngine } from "./types.ts";
import { createWaiters } from "./waiters.ts";
import { startWork } from "./work.ts";

/**
 * The longest that `close` waits for work that is still running. Without the keys that work can do nothing any more.
 */
const LAST_WORK_MS = 2_000;
/** The length of the steps in which a block is preconfirmed (Flashblocks). */
const STEP_MS = 200;
/** The most submissions that are admitted together. */
const MAX_GATHERED = 500;

/**
 * Starts an engine: takes the keys' leases, takes up what is open in the journal, and settles what is submitted.
 * @param patience How to wait for a key that another engine holds, perhaps a dead one. Without it the engine does not
 * wait.
 * @throws SenderHeldError if another engine has one of the keys, JournalError if the journal cannot be used,
 * EnginePolicyError or PlanLimitsError if the policy is out of its range.
 */
export async function createSettlementEngine(options: EngineOptions, patience?: Patience): Promise<SettlementEngine> {
  const { journal, chain } = options;
  const { client } = chain;
  const policy = resolvePolicy(options.policy, client.chain.id);
  const pace: Pace = { ...USUAL_PACE, ...options.pace };
  const clock: Clock = options.clock ?? systemClock;
  const logger: Logger = options.logger ?? silentLogger;
  const owner = options.owner ?? `engine-${randomUUID()}`;
  const waiters = createWaiters();
  const exposure = createExposure();
  const standing = createStanding(policy.unprovenInFlight);
  const queue = createQueue();
  /**
   * `finishing` aborts when nothing new is taken in or sent, `closing` when the engine stops looking after anything.
   */
  const finishing = new AbortController();
  const closing = new AbortController();
  let inside = 0;

  const changes = createChanges({
    ...{ journal, clock, logger, queue },
    listeners: () => [
      waiters,
      exposure,
      standing,
      watch,
      ...(preconfirmations === undefined ? [] : [preconfirmations]),
    ],
  });
  const { apply, conclude } = changes;
  const watch = createOutcomeWatch({ journal, client, clock, apply });
  const nodes = [client, ...(chain.nodes ?? [])];
  const { webSocketUrl } = chain;
  const following = { clock, logger, signal: closing.signal, webSocketUrl, pollMs: pace.pollMs };
  const heads = pace.inStep || policy.preconfirmations ? createHeads(client, following) : NO_HEADS;
  const preconfirmations = policy.preconfirmations
    ? createPreconfirmations({ journal, policy, pace, clock, logger, apply })
    : undefined;
  const steps = preconfirmations === undefined ? undefined : createSteps(heads, STEP_MS, clock);
  const cutOff = createCutOff(steps ?? heads);
  const port = { journal, client, nodes, policy, pace, clock, logger, owner, cutOff, steps, preconfirmations };
  const conclusions = createConclusions({ ...port, conclude });
  const senders: Sender[] = options.senders.map((account) =>
    createSender({
      ...{ ...port, ...conclusions, account },
      recompose: (payments, batchId) => recompose(port, payments, batchId),
    }),
  );
  const intake: IntakePort = { journal, client, clock, policy, exposure, apply };

  const admitted = (admission: Admission): Admission => {
    if (admission.status !== "accepted" || !admission.isNew) return admission;
    const { work, deadlineSeconds } = admission.row;
    const isUrgent =
      work.kind === "authorization" &&
      exposure.isStrained(work.authorization.token, work.authorization.from, pace.exposurePermille);
    queue.add({ count: 1, deadlineSeconds, isUrgent, sinceMs: clock.now() });
    return admission;
  };
  const admitAll = async (submissions: readonly Submission[]) => {
    const answers = await admit(intake, submissions);
    for (const answer of answers) if (!(answer instanceof Error)) admitted(answer);
    return answers;
  };
  const acceptCall = async (call: CallSubmission): Promise<Admission> => {
    requireOpen();
    return admitted(await admitCall(intake, call));
  };
  // Submissions of one moment share their reads and their commit.
  const collect = gather<Submission, Admission>(
    async (submissions) => {
      const answers = await admitAll(submissions);
      return answers.map((answer) =>
        answer instanceof Error ? { ok: false, error: answer } : { ok: true, value: answer },
      );
    },
    MAX_GATHERED,
    { pause: nextTurn },
  );

  await takeKeys(senders, { clock, ttlMs: policy.leaseTtlMs, patience });
  const unsubscribe = journal.onChange((ids) => void refresh(ids).catch(() => undefined));
  const work = startWork({
    ...{ ...port, ...conclusions, ...changes, senders },
    ...{ queue, exposure, standing, waiters, watch, heads },
    finishing: finishing.signal,
    closing: closing.signal,
  });
  let closed: Promise<void> | undefined;

  async function refresh(ids: readonly number[]): Promise<void> {
    const waited = new Set(waiters.ids());
    const mine = ids.filter((id) => waited.has(id) || exposure.has(id));
    if (mine.length > 0) changes.note(await journal.withIds(mine));
  }

  function requireOpen(): void {
    if (finishing.signal.aborted) throw new EngineClosedError("The engine is closed; nothing was accepted.");
  }

  /** Bounds how many callers wait inside at once, and lets each one leave when its signal aborts. */
  async function waiting<T>(signal: AbortSignal | undefined, run: () => Promise<T>): Promise<T> {
    signal?.throwIfAborted();
    if (inside >= pace.maxWaiters) {
      throw new EngineBusyError(`${pace.maxWaiters} callers wait already, which is the most; nothing was accepted.`, {
        hint: "Submit it again later, or accept payments without waiting for them.",
      });
    }
    inside += 1;
    try {
      return await abortable(run(), signal);
    } finally {
      inside -= 1;
    }
  }

  async function decided(admission: Admission, signal: AbortSignal | undefined): Promise<Admission> {
    if (admission.status === "refused") return admission;
    return { ...admission, row: await waiters.wait(admission.row, signal) };
  }

  async function close(finishWithinMs: number): Promise<void> {
    finishing.abort();
    const until = clock.now() + finishWithinMs;
    // A batch that is being sent right now counts as on its way.
    await within(work.idle(), finishWithinMs);
    while (clock.now() < until && senders.some((sender) => sender.openBatches() > 0)) {
      work.look();
      await clock.sleep(Math.min(pace.pollMs, Math.max(1, until - clock.now())));
    }
    closing.abort();
    unsubscribe();
    // A node that does not answer must not hold up the caller. Without its lease a sender does nothing any more.
    await within(work.ended, LAST_WORK_MS);
    await within(Promise.allSettled(senders.map((sender) => sender.close())), LAST_WORK_MS);
    const message = "The engine was closed before the payment was decided; it stays in the journal.";
    waiters.fail(new EngineClosedError(message));
  }

  async function request(transition: Omit<Transition, "evidence">): Promise<boolean> {
    const evidence = { kind: "request", by: "operator" } as const;
    return (await apply([{ ...transition, evidence }])).length > 0;
  }

  return {
    accept: async (submissions) => {
      requireOpen();
      const answers = await admitAll(submissions);
      return answers.map((answer) => {
        if (answer instanceof Error) throw answer;
        return answer;
      });
    },
    acceptOne: async (submission) => {
      requireOpen();
      return collect(submission);
    },
    acceptCall,
    submit: async (submission, { signal } = {}) => {
      requireOpen();
      return waiting(signal, async () => decided(await collect(submission), signal));
    },
    submitCall: async (call, { signal } = {}) => {
      requireOpen();
      return waiting(signal, async () => decided(await acceptCall(call), signal));
    },
    outcome: (id, { signal, enough } = {}) =>
      waiting(signal, async () => {
        const row = await journal.payment(id);
        if (row === undefined) throw new TributaryError(`There is no payment ${id}.`);
        return waiters.wait(row, signal, enough);
      }),
    covers: async (payment) => (await findShortfalls({ client, exposure }, [payment])).size === 0,
    refusal: (submission) => findRefusal(intake, submission),
    beyondCaps: (payment, openCap) => beyondCaps({ exposure, policy }, payment, openCap),
    status: (id) => journal.payment(id),
    cancel: (id) => request({ paymentId: id, from: ["queued"], to: "cancelled" }),
    retry: (id, change = {}) => request({ paymentId: id, from: ["rejected", "cancelled"], to: "queued", ...change }),
    flush: work.flush,
    drain: async ({ signal } = {}) => {
      for (;;) {
        const counts = await journal.count(client.chain.id);
        if (OPEN_STATES.every((state) => (counts[state] ?? 0) === 0)) return;
        signal?.throwIfAborted();
        if (finishing.signal.aborted) throw new EngineClosedError("The engine was closed before all was decided.");
        await clock.sleep(pace.pollMs, signal);
      }
    },
    accounts: () =>
      senders.map((sender) => ({
        address: sender.address,
        openBatches: sender.openBatches(),
        paused: sender.paused(),
      })),
    spareMs: () => cutOff.spareMs(clock.now(), queue.view().waiting),
    roundOver: work.roundOver,
    cutOff: cutOff.view,
    preconfirmations: () => preconfirmations?.view(),
    close: ({ finishWithinMs = pace.closeWithinMs } = {}) => {
      closed ??= close(finishWithinMs);
      return closed;
    },
  };
}

/** Waits for a promise, but not longer than `ms` of real time. It never rejects. */
async function within(promise: Promise<unknown>, ms: number): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const over = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([promise.then(noop, noop), over]);
  clearTimeout(timer);
}

const noop = (): void => undefined;

/** Settles as the promise does, or rejects when the signal aborts. The work behind the promise goes on. */
function abortable<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (signal === undefined) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason);
    signal.addEventListener("abort", abort, { once: true });
    promise.then(resolve, reject).finally(() => signal.removeEventListener("abort", abort));
  });
}

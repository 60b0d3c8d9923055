import type { Pace } from "../pace.ts";

/** What is known of the queue and of what is on its way. Times in milliseconds. */
export type QueueView = {
  readonly nowMs: number;
  /** Payments that came in since the queue was last looked at, and what it left over then. */
  readonly waiting: number;
  /** Since when the first of those has waited, or there was a reason to look; undefined if there is neither. */
  readonly sinceMs: number | undefined;
  /** When the last of them came in; undefined if none did. */
  readonly lastMs: number | undefined;
  /** The earliest deadline among them, Unix seconds. */
  readonly earliestDeadlineSeconds: bigint | undefined;
  /** Whether one of them must not wait, such as one whose payer's balance runs low. */
  readonly isUrgent: boolean;
  readonly inFlight: number;
  /** Whether a sender can take another batch. */
  readonly hasRoom: boolean;
  /** The earliest time of the next plan, after a look that came to nothing. */
  readonly notBeforeMs: number;
  /** When to send for the next block; undefined if that is not known, or nothing is sent in step with blocks. */
  readonly cutOffMs: number | undefined;
};

/** A payment whose deadline is as near as this goes at once: a block or two, and the token's strict bound. */
const URGENT_SECONDS = 12n;

/**
 * The time when the queue is planned next. Where blocks come regularly, that is as late as the next block allows.
 * Otherwise an idle engine waits a moment for company, and a little longer while a burst
 * keeps coming in. A busy engine collects for longer. Neither waits if the batch is full, a payment is urgent or a
 * deadline is near.
 * @returns Undefined if nothing waits, or no sender could take it.
 */
export function nextDispatchMs(
  view: QueueView,
  pace: Pick<Pace, "lingerMs" | "gatherMs" | "maxLingerMs" | "fullBatch">,
): number | undefined {
  const { nowMs, waiting, sinceMs, earliestDeadlineSeconds, inFlight, notBeforeMs } = view;
  if (sinceMs === undefined || !view.hasRoom) return undefined;
  const earliest = Math.max(nowMs, notBeforeMs);
  if (waiting >= pace.fullBatch || view.isUrgent) return earliest;
  const gathered = sinceMs + Math.max(pace.lingerMs, pace.gatherMs);
  const idle = Math.min(gathered, (view.lastMs ?? sinceMs) + pace.lingerMs);
  const lingered = view.cutOffMs ?? (inFlight === 0 ? idle : sinceMs + pace.maxLingerMs);
  if (earliestDeadlineSeconds === undefined) return Math.max(lingered, notBeforeMs);
  // The last moment at which it is not late yet.
  const latest = Number(earliestDeadlineSeconds - URGENT_SECONDS) * 1000;
  return Math.max(Math.min(lingered, Math.max(latest, nowMs)), notBeforeMs);
}

type QueueState = Pick<QueueView, "waiting" | "sinceMs" | "lastMs" | "earliestDeadlineSeconds" | "isUrgent">;

type QueueEntry = {
  /** 0 for a mere reason to look. */
  readonly count: number;
  readonly deadlineSeconds?: bigint | undefined;
  readonly isUrgent?: boolean;
  readonly sinceMs: number;
};

/** What waits to be planned, as far as this engine knows: a count and the earliest deadline, never the payments. */
export type Queue = {
  readonly view: () => QueueState;
  readonly add: (entry: QueueEntry) => void;
  /** Sets the listener that is called after each `add`. */
  readonly onAdd: (listener: () => void) => void;
  /** Adds what a round of planning has left over. The listener is not called, because whoever plans knows. */
  readonly putBack: (entry: QueueEntry) => void;
  /** Empties it, just before it is planned. */
  readonly take: () => QueueState;
};

export function createQueue(): Queue {
  const empty = {
    waiting: 0,
    sinceMs: undefined,
    lastMs: undefined,
    earliestDeadlineSeconds: undefined,
    isUrgent: false,
  };
  let now: QueueState = empty;
  let added: () => void = () => undefined;

  function putBack({ count, deadlineSeconds, isUrgent = false, sinceMs }: QueueEntry): void {
    const known = now.earliestDeadlineSeconds;
    const earlier = known === undefined || (deadlineSeconds !== undefined && deadlineSeconds < known);
    now = {
      waiting: now.waiting + count,
      // The first payment starts the wait anew, whatever was looked for before.
      sinceMs: now.waiting === 0 && count > 0 ? sinceMs : Math.min(now.sinceMs ?? sinceMs, sinceMs),
      lastMs: count > 0 ? Math.max(now.lastMs ?? sinceMs, sinceMs) : now.lastMs,
      earliestDeadlineSeconds: earlier ? deadlineSeconds : known,
      isUrgent: now.isUrgent || isUrgent,
    };
  }

  return {
    view: () => now,
    add: (entry) => {
      putBack(entry);
      added();
    },
    onAdd: (listener) => {
      added = listener;
    },
    putBack,
    take: () => {
      const taken = now;
      now = empty;
      return taken;
    },
  };
}

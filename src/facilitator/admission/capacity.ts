import type { Clock } from "../../clock.ts";
import type { Caller } from "../callers/caller.ts";
import type { Endpoint, PaymentEndpoint } from "../wire/request.ts";
import { createProjection, type Projection } from "./projection.ts";
import { createShares } from "./shares.ts";
import { createSlots } from "./slots.ts";

/**
 * Lets in requests that are expected to be answered in time, and refuses the rest before they are read. As the projected delay
 * of a settlement rises, first /verify is refused, which costs nobody anything; then settlements of callers who have their
 * share of the places; then all.
 */
export type Capacity = {
  readonly enter: (endpoint: Endpoint, caller: Caller) => Seat | Full;
  readonly view: () => CapacityView;
};

/** A refusal because there is no room. */
export type Full = {
  /** How long a settlement that came now would take. */
  readonly delayMs: number;
  readonly retryAfterSeconds: number;
  /** Whether this is the first refusal after a period without any. */
  readonly isFirst: boolean;
};

/** The place of one request that was let in. */
export type Seat = {
  /** Waits until the request may be worked on. @throws The signal's reason if the signal aborts before. */
  readonly begin: (signal?: AbortSignal) => Promise<void>;
  /** Notes that the request only waits for the chain from now on, so that the next one may be worked on. */
  readonly waits: () => void;
  /** Keeps the place until `until` ends, even if the request ends earlier: its payment is on its way. */
  readonly keep: (until: Promise<unknown>) => void;
  /** Notes that the request is over: it was answered, or its caller is gone. */
  readonly leave: (outcome: "answered" | "left") => void;
};

export type CapacityView = {
  readonly inside: Readonly<Record<PaymentEndpoint, number>>;
  /** How long a settlement that came now would take. */
  readonly delayMs: number;
  /** Settlements per second, as measured. */
  readonly perSecond: number;
  /** Whether settlements are being refused. */
  readonly isShedding: boolean;
};

export type CapacityOptions = {
  readonly clock: Clock;
  /** A request that is expected to take longer is refused. */
  readonly admitWithinMs: number;
  /** Settlements per second that are assumed before any were measured. */
  readonly assumedPerSecond: number;
  /** The time between blocks; 2 s if it is not known. */
  readonly blockMs?: number | undefined;
};

/**
 * The parts of the bound from which /verify is refused, then settlements of callers who have their share, then all. Shares are
 * of the places below the second line; a caller who is alone may have all of them. The projection is a mean, so the last fifth
 * of the bound is for requests that take longer.
 */
const LINES = { verify: 0.4, withShare: 0.6, all: 0.8 } as const;
/**
 * No line is below this many times what a lone settlement takes: with less inside, a block would wait for payments. This
 * matters if blocks are slow.
 */
const LEAST_LONE_TIMES = 2.5;
/** This many are let in whatever is projected: without any answers, the end of an overload would not be noticed. */
const LEAST_INSIDE = 8;
/** How many requests are read, verified and stored at once. It bounds the work that waits on the event loop. */
const MOST_AT_WORK = 64;
const USUAL_BLOCK_MS = 2_000;
/** How long a lone verification is assumed to take before any was measured. */
const ASSUMED_VERIFICATION_MS = 100;
const VERIFICATIONS_PER_SETTLEMENT = 4;
/** How long it counts as shedding after it refused a settlement. */
const SHEDDING_MS = 5_000;
const MOST_RETRY_SECONDS = 60;

export function createCapacity(options: CapacityOptions): Capacity {
  const { clock, admitWithinMs, assumedPerSecond, blockMs = USUAL_BLOCK_MS } = options;
  const boundMs = (line: number, aloneMs: number): number => Math.max(line * admitWithinMs, LEAST_LONE_TIMES * aloneMs);
  // Half of the longest queue: with that much to do, the machine is never idle.
  const busyMs = (aloneMs: number): number => (aloneMs + boundMs(LINES.withShare, aloneMs)) / 2;
  const settle = createProjection({
    ...{ clock, busyMs },
    assumed: { perSecond: assumedPerSecond, aloneMs: blockMs },
  });
  const verify = createProjection({
    ...{ clock, busyMs },
    assumed: { perSecond: VERIFICATIONS_PER_SETTLEMENT * assumedPerSecond, aloneMs: ASSUMED_VERIFICATION_MS },
  });
  const shares = createShares(clock.now);
  const slots = createSlots(MOST_AT_WORK);
  let refusedAtMs = Number.NEGATIVE_INFINITY;
  const isShedding = (): boolean => clock.now() - refusedAtMs < SHEDDING_MS;

  /** How much too long a request that came now would take; 0 or less if there is room. */
  const overMs = (projection: Projection, line: number): number => {
    return projection.delayMs() - boundMs(line, projection.aloneMs());
  };

  function settlementOverMs(caller: Caller): number {
    const aloneMs = settle.aloneMs();
    const isBusy = settle.delayMs() >= busyMs(aloneMs);
    if (settle.inside() < LEAST_INSIDE || !isBusy) return 0;
    const places = ((boundMs(LINES.withShare, aloneMs) - aloneMs / 2) / 1000) * settle.perSecond();
    if (!shares.hasShare(caller, places)) return overMs(settle, LINES.all);
    // The places left below this line are kept for another caller, who was refused a moment ago.
    return Math.max(1, overMs(settle, LINES.withShare));
  }

  function verificationOverMs(): number {
    const over = overMs(settle, LINES.verify);
    return verify.inside() < LEAST_INSIDE ? over : Math.max(over, overMs(verify, LINES.verify));
  }

  /** A seat for a request that does not use the chain, so it is not measured. It only waits for its turn. */
  function stool(): Seat {
    let giveSlotBack: () => void = () => undefined;
    return {
      begin: async (signal) => {
        giveSlotBack = await slots.take(false, signal);
      },
      waits: () => undefined,
      keep: () => undefined,
      leave: () => giveSlotBack(),
    };
  }

  function seatOf(endpoint: PaymentEndpoint, caller: Caller): Seat {
    const stay = (endpoint === "settle" ? settle : verify).enter();
    const exit = endpoint === "settle" ? shares.enter(caller) : () => undefined;
    let giveSlotBack: () => void = () => undefined;
    let hasWaited = endpoint === "verify";
    let kept: Promise<unknown> | undefined;
    return {
      begin: async (signal) => {
        giveSlotBack = await slots.take(endpoint === "settle", signal);
      },
      waits: () => {
        hasWaited = true;
        giveSlotBack();
      },
      keep: (until) => {
        kept = until;
      },
      leave: (outcome) => {
        giveSlotBack();
        const end = (): void => {
          exit();
          stay.end(outcome === "left" ? "left" : hasWaited ? "answered" : "turned down");
        };
        if (kept === undefined) end();
        else kept.then(end, end);
      },
    };
  }

  return {
    enter: (endpoint, caller) => {
      const over = endpoint === "settle" ? settlementOverMs(caller) : verificationOverMs();
      if (over <= 0) return endpoint === "accepts" ? stool() : seatOf(endpoint, caller);
      const isFirst = endpoint === "settle" && !isShedding();
      if (endpoint === "settle") {
        shares.refused(caller);
        refusedAtMs = clock.now();
      }
      const retryAfterSeconds = Math.min(MOST_RETRY_SECONDS, Math.max(1, Math.ceil(over / 1000)));
      return { delayMs: settle.delayMs(), retryAfterSeconds, isFirst };
    },
    view: () => ({
      inside: { settle: settle.inside(), verify: verify.inside() },
      delayMs: settle.delayMs(),
      perSecond: settle.perSecond(),
      isShedding: isShedding(),
    }),
  };
}

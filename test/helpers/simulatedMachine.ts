import { type Capacity, createCapacity, type Full, type Seat } from "../../src/facilitator/admission/capacity.ts";
import type { Caller } from "../../src/facilitator/callers/caller.ts";
import { parseMerchants } from "../../src/facilitator/callers/merchants.ts";
import type { Endpoint } from "../../src/facilitator/wire/request.ts";

/** Somebody without an API key, at an address. */
export const at = (address: string): Caller => ({ merchant: undefined, address });

/** A merchant with an API key. */
export const merchant = (id: string): Caller => ({
  merchant: parseMerchants([{ id, keySha256: "0".repeat(64) }])[0],
  address: "10.0.0.1",
});

export type Answered = { readonly caller: Caller; readonly cameMs: number; readonly tookMs: number };
export type Refused = {
  readonly caller: Caller;
  readonly endpoint: Endpoint;
  readonly full: Full;
  readonly ms: number;
};

const STEP_MS = 20;

/**
 * A facilitator in simulated time: so many settlements a second go through the processor in the order in which they came, and
 * what has gone through it is answered at the next block.
 */
export function simulateMachine(options: {
  perSecond: number;
  blockMs: number;
  admitWithinMs: number;
  assumedPerSecond?: number;
}) {
  let nowMs = 1_000_000;
  let { perSecond, blockMs } = options;
  const clock = { now: () => nowMs, sleep: async () => undefined };
  const { admitWithinMs, assumedPerSecond = 60 } = options;
  const capacity: Capacity = createCapacity({ clock, admitWithinMs, assumedPerSecond, blockMs });
  type Inside = { readonly seat: Seat; readonly caller: Caller; readonly cameMs: number };
  const queue: Inside[] = [];
  let mined: Inside[] = [];
  let done = 0;
  let nextBlockMs = nowMs + blockMs;
  const answered: Answered[] = [];
  const refused: Refused[] = [];

  function ask(caller: Caller, endpoint: Endpoint = "settle"): "in" | "refused" {
    const seat = capacity.enter(endpoint, caller);
    if ("delayMs" in seat) {
      refused.push({ caller, endpoint, full: seat, ms: nowMs });
      return "refused";
    }
    if (endpoint === "verify") seat.leave("answered");
    else queue.push({ seat, caller, cameMs: nowMs });
    return "in";
  }

  function step(): void {
    nowMs += STEP_MS;
    done += (perSecond * STEP_MS) / 1000;
    const through = queue.splice(0, Math.floor(done));
    // Unused capacity is lost.
    done = queue.length === 0 ? 0 : done - through.length;
    mined.push(...through);
    if (nowMs < nextBlockMs) return;
    nextBlockMs += Math.max(STEP_MS, blockMs);
    const block = mined;
    mined = [];
    for (const { seat, caller, cameMs } of block) {
      seat.waits();
      seat.leave("answered");
      answered.push({ caller, cameMs, tookMs: nowMs - cameMs });
    }
  }

  return {
    capacity,
    answered,
    refused,
    now: () => nowMs,
    ask,
    /** Makes everything take this long from now on. */
    become: (next: { perSecond?: number; blockMs?: number }) => {
      perSecond = next.perSecond ?? perSecond;
      blockMs = next.blockMs ?? blockMs;
    },
    /** Lets time pass during which callers ask at their rates. */
    run: (seconds: number, rates: readonly { readonly caller: Caller; readonly perSecond: number }[] = []) => {
      const due = rates.map(() => 0);
      for (let ms = 0; ms < seconds * 1000; ms += STEP_MS) {
        for (const [i, { caller, perSecond: rate }] of rates.entries()) {
          due[i]! += (rate * STEP_MS) / 1000;
          for (; due[i]! >= 1; due[i]! -= 1) ask(caller);
        }
        step();
      }
    },
  };
}

/** The value below which a share of the times is. */
export function quantile(times: readonly number[], share: number): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
}

import { createHash } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import { type Caller, NOBODY } from "./caller.ts";

/** Who brings a payment: its success is told to nobody else. */
export type Bringer = {
  /**
   * An authenticated merchant by its id, and by the hash of its Idempotency-Key behind a colon where it sent one: kept with
   * the payment, so that the success can be told later. Undefined for everybody else.
   */
  readonly merchant: string | undefined;
  /** Whether the success is told again to the one who heard it: to a merchant under its Idempotency-Key. */
  readonly again: boolean;
  /** See {@link Caller}. */
  readonly request: string | undefined;
};

/** The bringer that a caller is. `holder`: its name where it sent an Idempotency-Key. */
export function bringerOf({ merchant, request }: Caller, holder: string | undefined): Bringer {
  return { merchant: holder ?? merchant?.id, again: holder !== undefined, request };
}

/** Names a request by everything in it and where it came from. */
export function requestName(address: string | undefined, body: string): string {
  return createHash("sha256")
    .update(`${address ?? ""}\n${body}`)
    .digest("hex");
}

/** A caller whose request has a name: by what it asks alone, where nobody knows more of it. */
export function named(caller: Caller = NOBODY, payload: unknown, requirements: unknown): Caller {
  if (caller.request !== undefined) return caller;
  return { ...caller, request: requestName(caller.address, JSON.stringify([payload, requirements])) };
}

/** The caller went away before there was an answer. */
export class CallerGoneError extends Error {
  override readonly name = "CallerGoneError";
}

/** Why a caller gets no turn: another one has it, or the payment was brought by another one. */
export type TurnedAway = "busy" | "stranger";

/** The turn of one caller, while it lasts. */
export type Turn = {
  /**
   * Does the work of a turn. Where `work` fails, or its answer says nothing final, the turn is held for a caller without a
   * name; but only if there is a stored payment, which `work` may say by `noteStored`. `isShared` says whether the same bringer
   * has this turn in another request, too.
   */
  readonly run: <T>(
    work: (noteStored: () => void, isShared: () => boolean) => Promise<T>,
    isFinal: (answer: T) => boolean,
  ) => Promise<T>;
};

/**
 * Lets one caller at a time wait for a payment, and nobody but who may hear its success:
 * - who brings it: it is new, or did not move any money and is brought anew;
 * - the merchant who brought it, at any time; with an Idempotency-Key, beside its own first request, too;
 * - the caller without a name who heard nothing final, for `holdMs` after that and by the same request from the same
 *   address. Each answer that says nothing final holds the turn anew; the first one that is final ends it.
 */
export type Turns = {
  /** @param row The payment where the journal has it. */
  readonly enter: (key: string, bringer: Bringer, row: PaymentRow | undefined) => Turn | TurnedAway;
};

export function createTurns(clock: Clock, holdMs: number): Turns {
  type Place = { readonly bringer: Bringer; callers: number; heldUntilMs: number };
  const running = new Map<string, Place>();
  /** In the order in which they end. */
  const held = new Map<string, Place>();

  function forgetOver(): void {
    const nowMs = clock.now();
    for (const [key, { heldUntilMs }] of held) {
      if (heldUntilMs > nowMs) return;
      held.delete(key);
    }
  }

  function leave(key: string, place: Place, isHeld: boolean): void {
    place.callers -= 1;
    if (place.callers > 0) return;
    running.delete(key);
    // A merchant's is in the journal.
    if (!isHeld || place.bringer.merchant !== undefined) return;
    place.heldUntilMs = clock.now() + holdMs;
    held.set(key, place);
  }

  return {
    enter: (key, bringer, row) => {
      forgetOver();
      const before = running.get(key) ?? held.get(key);
      if (before !== undefined) {
        const isOwn = isSame(before.bringer, bringer);
        if (!isOwn || (before.callers > 0 && !bringer.again)) return "busy";
      } else if (row !== undefined && !mayHear(bringer, row)) {
        return "stranger";
      }
      const place = before ?? { bringer, callers: 0, heldUntilMs: 0 };
      held.delete(key);
      running.set(key, place);
      place.callers += 1;
      return {
        run: async (work, isFinal) => {
          let isStored = row !== undefined;
          let isOver = false;
          try {
            const answer = await work(
              () => {
                isStored = true;
              },
              () => place.callers > 1,
            );
            isOver = isFinal(answer);
            return answer;
          } finally {
            leave(key, place, isStored && !isOver);
          }
        },
      };
    },
  };
}

/** Whether a caller may wait for a payment that is in the journal: it brought it, or brings it anew. */
export function mayHear(bringer: Bringer, row: PaymentRow): boolean {
  return isBringer(bringer, row) || mayBringAnew(bringer, row);
}

/** Whether a payment is a merchant's by its name in the journal. */
export function isBringer({ merchant }: Bringer, row: Pick<PaymentRow, "bringer">): boolean {
  return merchant !== undefined && row.bringer === merchant;
}

/**
 * Whether a payment that did not move any money may be brought again by this caller, if it is still good. One that a merchant
 * brought is brought again by the same merchant only, under any key: others know it from a transaction that failed.
 */
export function mayBringAnew({ merchant }: Bringer, { state, evidence, bringer }: PaymentRow): boolean {
  const isUnmoved = state === "rejected" || (state === "cancelled" && evidence.kind === "request");
  return isUnmoved && (bringer === undefined || idOf(bringer) === idOf(merchant));
}

function isSame(one: Bringer, other: Bringer): boolean {
  if (one.merchant !== undefined || other.merchant !== undefined) return one.merchant === other.merchant;
  return one.request !== undefined && one.request === other.request;
}

/** The merchant's id alone: it has no colon in it. */
function idOf(merchant: string | undefined): string | undefined {
  return merchant?.split(":", 1)[0];
}

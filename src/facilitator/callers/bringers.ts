import { createHash } from "node:crypto";
import type { Clock } from "../../clock.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import { type Caller, NOBODY } from "./caller.ts";

/** Who brings a payment. Nobody else hears its success. */
export type Bringer = {
  /**
   * The id of an authenticated merchant. If it sent an Idempotency-Key, a colon and the hash of that key follow. It is stored
   * with the payment, so that the success can be told later. Undefined for everybody else.
   */
  readonly merchant: string | undefined;
  /** Whether the success may be told again: true for a merchant under its Idempotency-Key. */
  readonly again: boolean;
  /** See {@link Caller}. */
  readonly request: string | undefined;
};

/** A caller as the bringer of a payment. `holder` is its name if it sent an Idempotency-Key. */
export function bringerOf({ merchant, request }: Caller, holder: string | undefined): Bringer {
  return { merchant: holder ?? merchant?.id, again: holder !== undefined, request };
}

/** Names a request by everything in it and where it came from. */
export function requestName(address: string | undefined, body: string): string {
  return createHash("sha256")
    .update(`${address ?? ""}\n${body}`)
    .digest("hex");
}

/** The caller with a name for its request. If it has none yet, the name is made from the payload and the requirements alone. */
export function named(caller: Caller = NOBODY, payload: unknown, requirements: unknown): Caller {
  if (caller.request !== undefined) return caller;
  return { ...caller, request: requestName(caller.address, JSON.stringify([payload, requirements])) };
}

/** The caller left before there was an answer. */
export class CallerGoneError extends Error {
  override readonly name = "CallerGoneError";
}

/** Why a caller gets no turn: another caller has it, or another caller brought the payment. */
export type TurnedAway = "busy" | "stranger";

/** The turn of one caller, while it lasts. */
export type Turn = {
  /**
   * Does the work of a turn. If `work` fails, or its answer is not final, the turn is held for a caller without a name, but only
   * if the payment is stored; `work` says so by `noteStored`. `isShared` says whether another request of the same bringer has
   * this turn as well.
   */
  readonly run: <T>(
    work: (noteStored: () => void, isShared: () => boolean) => Promise<T>,
    isFinal: (answer: T) => boolean,
  ) => Promise<T>;
};

/**
 * Lets one caller at a time wait for a payment, and only those who may hear its success:
 * - whoever brings it, if it is new, or moved no money and is brought again;
 * - the merchant who brought it, at any time; with an Idempotency-Key, even while its own first request waits;
 * - a caller without a name who got no final answer, for `holdMs` after that, by the same request from the same address. Each
 *   answer that is not final holds the turn again; the first final one ends it.
 */
export type Turns = {
  /** @param row The payment if the journal has it. */
  readonly enter: (key: string, bringer: Bringer, row: PaymentRow | undefined) => Turn | TurnedAway;
};

export function createTurns(clock: Clock, holdMs: number): Turns {
  type Place = { readonly bringer: Bringer; callers: number; heldUntilMs: number };
  const running = new Map<string, Place>();
  /** Ordered by the time at which they end. */
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
    // A merchant's turn needs no holding: its name is in the journal.
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

/** Whether a caller may wait for a payment in the journal: it brought the payment, or may bring it again. */
export function mayHear(bringer: Bringer, row: PaymentRow): boolean {
  return isBringer(bringer, row) || mayBringAnew(bringer, row);
}

/** Whether a merchant brought a payment, by the name in the journal. */
export function isBringer({ merchant }: Bringer, row: Pick<PaymentRow, "bringer">): boolean {
  return merchant !== undefined && row.bringer === merchant;
}

/**
 * Whether a payment moved no money and this caller may bring it again, if it is still good. Only the same merchant may bring a
 * merchant's payment again, under any key: others may have copied it from a transaction that failed.
 */
export function mayBringAnew({ merchant }: Bringer, { state, evidence, bringer }: PaymentRow): boolean {
  const isUnmoved = state === "rejected" || (state === "cancelled" && evidence.kind === "request");
  return isUnmoved && (bringer === undefined || idOf(bringer) === idOf(merchant));
}

function isSame(one: Bringer, other: Bringer): boolean {
  if (one.merchant !== undefined || other.merchant !== undefined) return one.merchant === other.merchant;
  return one.request !== undefined && one.request === other.request;
}

/** The merchant's id alone. An id has no colon in it. */
function idOf(merchant: string | undefined): string | undefined {
  return merchant?.split(":", 1)[0];
}

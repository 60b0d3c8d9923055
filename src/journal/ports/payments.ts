import type { Hex } from "viem";
import type { Evidence } from "./evidence.ts";
import type { AuthorizationWork, CallWork, Work } from "./work.ts";

/** Every state, in the order of a payment's life. */
export const STATES = [
  "queued",
  /** In a batch whose signed bytes are stored, but which may not be broadcast yet. */
  "batched",
  /** Broadcast, or assumed to be. */
  "submitted",
  "settled",
  "settled-elsewhere",
  "already-used",
  "rejected",
  "expired",
  "cancelled",
] as const;

/**
 * Where a payment stands. `submitted` means that its outcome is unknown until there is evidence: it is held, and never
 * queued again on a guess. The states after it are terminal, each with its evidence. Only a reorg takes one back.
 */
export type PaymentState = (typeof STATES)[number];

/** The states of a payment that has no outcome yet. */
export const OPEN_STATES = ["queued", "batched", "submitted"] as const satisfies readonly PaymentState[];
/** At most one variant of an identity may be in one of these: a unique index enforces it. */
export const EXCLUSIVE_STATES = ["batched", "submitted", "settled"] as const satisfies readonly PaymentState[];

/** A payment (or call) to accept. */
export type NewPayment = {
  /** `authorizationId`, or the caller's key of a call. */
  readonly identity: string;
  /** Tells variants of one identity apart: `termsDigest`, or the hash of a call's terms. */
  readonly digest: Hex;
  readonly work: Work;
  /** Unix seconds. For a call, when it is given up. */
  readonly deadlineSeconds: bigint;
  /** The chain's newest block when the signature was verified: logs from there on may hold the settlement. */
  readonly acceptedBlock: bigint;
  /** Where it came from (a file's line, a request id), for reports. */
  readonly source: string | undefined;
  /**
   * The only one who may hear its success, see {@link PaymentJournal.consume}; undefined for somebody without a name.
   */
  readonly bringer?: string | undefined;
};

/** A payment (or call) in the journal, with its state and the evidence for it. */
export type PaymentRow = AuthorizationRow | CallRow;
/** A payment by an authorization. */
export type AuthorizationRow = RowOf<AuthorizationWork>;
/** Any other call of a contract. */
export type CallRow = RowOf<CallWork>;

export function isAuthorization(row: PaymentRow): row is AuthorizationRow {
  return row.work.kind === "authorization";
}

export function isCall(row: PaymentRow): row is CallRow {
  return row.work.kind === "call";
}

/** Whether a transaction of ours that is signed, and perhaps out, carries the payment. */
export function isOnItsWay({ state }: Pick<PaymentRow, "state">): boolean {
  return state === "batched" || state === "submitted";
}

/** Whether a payment has its outcome. It may still be corrected, as after a reorg, or retried on request. */
export function isDecided(row: Pick<PaymentRow, "state">): boolean {
  return row.state !== "queued" && !isOnItsWay(row);
}

/** Whether the sequencer has said that the payment settles, and no block has it yet. */
export function isPreconfirmed(row: Pick<PaymentRow, "state" | "evidence">): boolean {
  return isOnItsWay(row) && row.evidence.kind === "preconfirmation";
}

type RowOf<Its extends Work> = Omit<NewPayment, "work"> & {
  readonly work: Its;
  readonly id: number;
  readonly chainId: number;
  readonly state: PaymentState;
  /** Why it is in its state, in one word, such as the reason for a refusal. */
  readonly reason: string | undefined;
  /**
   * The number that some reasons come with: how often they applied in a row, or how many items the next batch may have.
   */
  readonly reasonCount: number | undefined;
  readonly evidence: Evidence;
  /** The batch that it is in, or that decided it; undefined while it is queued. */
  readonly batchId: Hex | undefined;
  readonly acceptedAtMs: number;
  readonly updatedAtMs: number;
  /** How often it was put into a batch. */
  readonly tries: number;
  /** The payment is not picked before this time. */
  readonly nextTryAtMs: number;
  /**
   * When its one success was handed out; undefined if it was not (an x402 facilitator hands out one, see `consume`).
   */
  readonly consumedAtMs: number | undefined;
};

/** One step of a payment's history. */
export type HistoryRow = {
  readonly paymentId: number;
  readonly atMs: number;
  readonly from: PaymentState | undefined;
  readonly to: PaymentState;
  readonly reason: string | undefined;
  readonly reasonCount: number | undefined;
  readonly evidence: Evidence;
};

/** One transition. It is applied only if the payment is still in `from` (and in `batchId`, if given). */
export type Transition = {
  readonly paymentId: number;
  readonly from: readonly PaymentState[];
  readonly batchId?: Hex;
  readonly to: PaymentState;
  readonly reason?: string;
  /** The number that belongs to the reason. The payment does not keep an earlier reason's number. */
  readonly reasonCount?: number;
  readonly evidence: Evidence;
  /** With `to: "queued"`: not before this time. */
  readonly nextTryAtMs?: number;
  /** Who brings the payment now, in place of its earlier bringer; null for somebody without a name. */
  readonly bringer?: string | null;
};

/** Payments, their histories, and the queue that they wait in. */
export type PaymentJournal = {
  /**
   * Accepts payments, 1,000 in a transaction. If one transaction fails, those before it stay accepted. The same
   * identity and digest again gives the row that is already there. Callers verify signatures first, so that nobody
   * squats on another payer's nonce.
   */
  readonly accept: (
    payments: readonly NewPayment[],
    nowMs: number,
  ) => Promise<readonly { readonly row: PaymentRow; readonly isNew: boolean }[]>;
  /** The payment with this number; undefined if there is none. */
  readonly payment: (id: number) => Promise<PaymentRow | undefined>;
  /** All variants of an identity, oldest first. */
  readonly variants: (identity: string) => Promise<readonly PaymentRow[]>;
  /** Every step of a payment, oldest first. */
  readonly history: (paymentId: number) => Promise<readonly HistoryRow[]>;
  /** When payments entered their present state, in Unix milliseconds. */
  readonly enteredAt: (paymentIds: readonly number[]) => Promise<ReadonlyMap<number, number>>;
  /** Payments in given states by ascending id, `afterId` excluded: for paging, reports and sweeps. */
  readonly list: (query: {
    readonly chainId?: number;
    readonly states?: readonly PaymentState[];
    readonly afterId?: number;
    readonly limit: number;
  }) => Promise<readonly PaymentRow[]>;
  /** Payments with these ids, by ascending id. */
  readonly withIds: (ids: readonly number[]) => Promise<readonly PaymentRow[]>;
  /** {@link PaymentJournal.variants} of many identities at once, by ascending id. */
  readonly withIdentities: (identities: readonly string[]) => Promise<readonly PaymentRow[]>;
  /** Payments whose authorization has this nonce, whoever signed it, oldest first. */
  readonly withNonce: (nonce: Hex) => Promise<readonly PaymentRow[]>;
  /**
   * Payments that came from `source` or from a part of it, whose name continues with a colon. If there are more than
   * `limit`, the newest ones. Oldest first. It reads the whole table.
   */
  readonly withSource: (source: string, limit: number) => Promise<readonly PaymentRow[]>;
  /** How many payments are in each state. */
  readonly count: (chainId?: number) => Promise<Readonly<Partial<Record<PaymentState, number>>>>;
  /**
   * Picks queued payments for planning, earliest deadline first, so that no other engine plans them until `untilMs`. It
   * skips payments that are not due, that somebody else picked, or that have another variant in flight. An owner gets
   * its own picks again, with the new end. At `untilMs` itself a payment is free again. A transition or a batch ends
   * the pick.
   */
  readonly pick: (query: {
    readonly chainId: number;
    readonly owner: string;
    readonly nowMs: number;
    readonly untilMs: number;
    readonly limit: number;
  }) => Promise<readonly PaymentRow[]>;
  /** Settled payments that have another variant queued which nobody has closed yet, by ascending id. */
  readonly winners: (query: { readonly chainId: number; readonly limit: number }) => Promise<readonly PaymentRow[]>;
  /** Gives picks a new end if they are still this owner's. */
  readonly keepPicked: (paymentIds: readonly number[], owner: string, untilMs: number) => Promise<void>;
  /** Ends this owner's picks before their time. */
  readonly putBack: (paymentIds: readonly number[], owner: string) => Promise<void>;
  /**
   * Applies transitions, 1,000 in a transaction, and returns the payments that moved. The others were in another state.
   */
  readonly transition: (transitions: readonly Transition[], nowMs: number) => Promise<readonly PaymentRow[]>;
  /**
   * Takes the one success of a payment that is `settled` or `settled-elsewhere` and has this bringer (or none, if none
   * is given). True for exactly one caller, ever; with `again`, for its bringer as often as it asks. Durable before it
   * resolves. With `on`, the payment is on its way, and this preconfirmation must still be the evidence for it.
   */
  readonly consume: (
    paymentId: number,
    nowMs: number,
    by?: { readonly bringer: string | undefined; readonly again: boolean; readonly on?: Evidence | undefined },
  ) => Promise<boolean>;
  /**
   * Rows among `ids` whose `updatedAtMs` is larger than `sinceMs`: bounded polling for waiters elsewhere. Each
   * transition of a payment makes its `updatedAtMs` larger, by one if the clock stands still. `consume` and picks do
   * not change it.
   */
  readonly changed: (ids: readonly number[], sinceMs: number) => Promise<readonly PaymentRow[]>;
  /**
   * Calls `listener` with ids of payments that were accepted or moved, as far as the journal learns of it at once. On
   * PostgreSQL that covers changes by anyone (LISTEN/NOTIFY), except while that connection is being made. On SQLite it
   * covers changes by this instance.
   */
  readonly onChange: (listener: (paymentIds: readonly number[]) => void) => () => void;
};

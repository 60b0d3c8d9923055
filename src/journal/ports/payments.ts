import type { Hex } from "viem";
import type { Evidence } from "./evidence.ts";
import type { Work } from "./work.ts";

/**
 * Where a payment stands. `submitted` means that its outcome is unknown until there is evidence: it is held, never queued
 * again on a guess. The states after it are terminal, each with its evidence; only a reorg takes one back.
 */
export type PaymentState =
  | "queued"
  /** In a batch whose signed bytes are stored; perhaps not broadcast yet. */
  | "batched"
  /** Broadcast, or assumed to be. */
  | "submitted"
  | "settled"
  | "settled-elsewhere"
  | "already-used"
  | "rejected"
  | "expired"
  | "cancelled";

export const OPEN_STATES = ["queued", "batched", "submitted"] as const satisfies readonly PaymentState[];
/** At most one variant of an identity may be in one of these: a unique index enforces it. */
export const EXCLUSIVE_STATES = ["batched", "submitted", "settled"] as const satisfies readonly PaymentState[];

/** A payment (or call) to accept. */
export type NewPayment = {
  /** `authorizationId`, or the caller's key of a call. */
  readonly identity: string;
  /** Tells variants of one identity apart: `termsDigest` (of a call, the hash of its terms). */
  readonly digest: Hex;
  readonly work: Work;
  /** Unix seconds; of a call, when it is given up. */
  readonly deadlineSeconds: bigint;
  /** The chain's newest block when its signature was verified: logs from there on may hold its settlement. */
  readonly acceptedBlock: bigint;
  /** Where it came from (a file's line, a request id), for reports. */
  readonly source: string | undefined;
  /** Who alone may hear its success, see {@link PaymentJournal.consume}; undefined for nobody who is known by a name. */
  readonly bringer?: string | undefined;
};

export type PaymentRow = NewPayment & {
  readonly id: number;
  readonly chainId: number;
  readonly state: PaymentState;
  /** Why it is in its state, in one word: a refusal's reason, for instance. */
  readonly reason: string | undefined;
  /** The number that some reasons come with: how often they applied in a row, or how many items the next batch may have. */
  readonly reasonCount: number | undefined;
  readonly evidence: Evidence;
  readonly batchId: Hex | undefined;
  readonly acceptedAtMs: number;
  readonly updatedAtMs: number;
  /** How often it was put into a batch. */
  readonly tries: number;
  /** Not picked before this time. */
  readonly nextTryAtMs: number;
  /** Whether its one success was handed out already (an x402 facilitator hands out one, see `consume`). */
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

/** One transition, applied only where the payment is still in `from` (and in `batchId`, where that is given). */
export type Transition = {
  readonly paymentId: number;
  readonly from: readonly PaymentState[];
  readonly batchId?: Hex;
  readonly to: PaymentState;
  readonly reason?: string;
  /** The number that belongs to the reason; the payment keeps none of an earlier one. */
  readonly reasonCount?: number;
  readonly evidence: Evidence;
  /** With `to: "queued"`: not before this time. */
  readonly nextTryAtMs?: number;
  /** Who brings the payment anew, in the place of its bringer until then; null for somebody without a name. */
  readonly bringer?: string | null;
};

/** Payments, their histories, and the queue that they wait in. */
export type PaymentJournal = {
  /**
   * Accepts payments, 1,000 in a transaction: where one fails, those before it are accepted. The same identity and digest
   * again gives the row that is there. Callers verify signatures first, so that nobody squats on another payer's nonce.
   */
  readonly accept: (
    payments: readonly NewPayment[],
    nowMs: number,
  ) => Promise<readonly { readonly row: PaymentRow; readonly isNew: boolean }[]>;
  readonly payment: (id: number) => Promise<PaymentRow | undefined>;
  /** All variants of an identity, oldest first. */
  readonly variants: (identity: string) => Promise<readonly PaymentRow[]>;
  readonly history: (paymentId: number) => Promise<readonly HistoryRow[]>;
  /** When payments came into the state that they are in, in Unix milliseconds. */
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
   * Payments that came from `source` or from a part of it, whose name goes on with a colon; of more than `limit` the newest
   * ones, oldest first. It reads the whole table.
   */
  readonly withSource: (source: string, limit: number) => Promise<readonly PaymentRow[]>;
  /** How many payments are in each state. */
  readonly count: (chainId?: number) => Promise<Readonly<Partial<Record<PaymentState, number>>>>;
  /**
   * Picks queued payments for planning, earliest deadline first, so that no other engine plans them until `untilMs`.
   * Skips what is not due, what somebody else picked, and identities with another variant in flight. An owner gets its own
   * picks again, with the new end. At `untilMs` itself a payment is free again, and a transition or a batch ends its pick.
   */
  readonly pick: (query: {
    readonly chainId: number;
    readonly owner: string;
    readonly nowMs: number;
    readonly untilMs: number;
    readonly limit: number;
  }) => Promise<readonly PaymentRow[]>;
  /** Settled payments of whose identity another variant is queued, for want of who closes it, by ascending id. */
  readonly winners: (query: { readonly chainId: number; readonly limit: number }) => Promise<readonly PaymentRow[]>;
  /** Gives picks that are still this owner's a new end. */
  readonly keepPicked: (paymentIds: readonly number[], owner: string, untilMs: number) => Promise<void>;
  /** Ends picks of this owner before their time. */
  readonly putBack: (paymentIds: readonly number[], owner: string) => Promise<void>;
  /**
   * Applies transitions, 1,000 in a transaction, and says which took place (the others found the payment elsewhere).
   */
  readonly transition: (transitions: readonly Transition[], nowMs: number) => Promise<readonly PaymentRow[]>;
  /**
   * Takes the one success of a payment that is `settled` or `settled-elsewhere` and has this bringer (none, where none is
   * given): true for exactly one caller, ever; with `again`, for its bringer as often as it asks. Durable before it resolves.
   */
  readonly consume: (
    paymentId: number,
    nowMs: number,
    by?: { readonly bringer: string | undefined; readonly again: boolean },
  ) => Promise<boolean>;
  /**
   * Rows whose `updatedAtMs` is larger than `sinceMs`, among `ids`: bounded polling for waiters elsewhere. Each transition of a
   * payment makes its `updatedAtMs` larger, by one where the clock stands still; `consume` and picks do not change it.
   */
  readonly changed: (ids: readonly number[], sinceMs: number) => Promise<readonly PaymentRow[]>;
  /**
   * Calls `listener` with ids of payments that were accepted or moved, as far as the journal can tell at once: on PostgreSQL by
   * anyone (LISTEN/NOTIFY, but for what happens while that connection is made), on SQLite by this instance.
   */
  readonly onChange: (listener: (paymentIds: readonly number[]) => void) => () => void;
};

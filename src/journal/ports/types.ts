import type { Address, Hex } from "viem";
import type { ChannelJournal } from "./channelTypes.ts";
import type { JournalError } from "./errors.ts";
import type { LedgerJournal } from "./ledgerTypes.ts";
import type {
  Attempt,
  BatchRow,
  BatchState,
  HeldLease,
  HistoryRow,
  JournalConflict,
  Lease,
  LeasePlace,
  MinedBatch,
  NewBatch,
  NewPayment,
  PaymentRow,
  PaymentState,
  ReceiptRow,
  ResourceRow,
  SenderRow,
  Transition,
} from "./rowTypes.ts";

export * from "./rowTypes.ts";

/**
 * The journal. Every method is one atomic, durable transaction: what it resolved to survives a crash that follows. Times
 * come from the caller's clock in milliseconds of Unix time.
 */
export type Journal = ChannelJournal &
  LedgerJournal & {
    // --- Payments ---

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
    /** Payments in given states by ascending id, `afterId` excluded: for paging, reports and sweeps. */
    readonly list: (query: {
      readonly chainId?: number;
      readonly states?: readonly PaymentState[];
      readonly afterId?: number;
      readonly limit: number;
    }) => Promise<readonly PaymentRow[]>;
    /** {@link Journal.variants} of many identities at once, by ascending id. */
    readonly withIdentities: (identities: readonly string[]) => Promise<readonly PaymentRow[]>;
    /** Payments whose authorization has this nonce, whoever signed it, oldest first. */
    readonly withNonce: (nonce: Hex) => Promise<readonly PaymentRow[]>;
    /**
     * Payments that came from `source` or from a part of it, whose name goes on with a colon; of more than `limit` the newest
     * ones, oldest first. It reads the whole table.
     */
    readonly withSource: (source: string, limit: number) => Promise<readonly PaymentRow[]>;
    /** How many channels there are that their server has not given up. It reads the whole table. */
    readonly countChannels: (chainId: number) => Promise<number>;
    /** How many payments are in each state. */
    readonly count: (chainId?: number) => Promise<Readonly<Partial<Record<PaymentState, number>>>>;
    /**
     * Claims queued payments for planning, earliest deadline first, so that no other engine plans them until `untilMs`.
     * Skips what is not due, what somebody else claimed, and identities with another variant in flight. An owner gets its own
     * claims again, with the new end. At `untilMs` itself a claim is free, and a transition or a batch ends it.
     */
    readonly claim: (query: {
      readonly chainId: number;
      readonly owner: string;
      readonly nowMs: number;
      readonly untilMs: number;
      readonly limit: number;
    }) => Promise<readonly PaymentRow[]>;
    /** Settled payments of whose identity another variant is queued, for want of who closes it, by ascending id. */
    readonly winners: (query: { readonly chainId: number; readonly limit: number }) => Promise<readonly PaymentRow[]>;
    /** Gives claims that are still this owner's a new end. */
    readonly keepClaims: (paymentIds: readonly number[], owner: string, untilMs: number) => Promise<void>;
    /** Gives claims back. */
    readonly release: (paymentIds: readonly number[], owner: string) => Promise<void>;
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
     * payment makes its `updatedAtMs` larger, by one where the clock stands still; `consume` and claims do not change it.
     */
    readonly changed: (ids: readonly number[], sinceMs: number) => Promise<readonly PaymentRow[]>;
    /**
     * Calls `listener` with ids of payments that were accepted or moved, as far as the journal can tell at once: on PostgreSQL by
     * anyone (LISTEN/NOTIFY, but for what happens while that connection is made), on SQLite by this instance.
     */
    readonly onChange: (listener: (paymentIds: readonly number[]) => void) => () => void;

    // --- Sending ---

    /**
     * The lease of a key, if it is free, already `owner`'s (then renewed under the same epoch), or still exactly `abandoned`; else
     * who has it. No clock decides here: a caller gives as `abandoned` what it has itself seen unrenewed for the lease's whole
     * `ttlMs`, by a clock of its own that nobody sets. Taken over from another owner, it frees what that one had claimed, unless
     * it has the lease of another key of the chain.
     */
    readonly acquireLease: (request: {
      readonly chainId: number;
      readonly sender: Address;
      readonly owner: string;
      readonly ttlMs: number;
      readonly place?: LeasePlace | undefined;
      readonly abandoned?: HeldLease | undefined;
    }) => Promise<{ readonly lease: Lease } | { readonly heldBy: HeldLease }>;
    readonly releaseLease: (lease: Lease) => Promise<void>;
    /** Stores a signed batch and moves its payments from `queued` to `batched`, if the lease is still the key's. */
    readonly storeBatch: (lease: Lease, batch: NewBatch, nowMs: number) => Promise<"stored" | JournalConflict>;
    /**
     * Stores a replacement under the batch's txNonce. Payments that it drops stay with the batch until its txNonce is
     * decided: an earlier attempt may still be mined.
     */
    readonly storeAttempt: (lease: Lease, batchId: Hex, attempt: Attempt) => Promise<"stored" | JournalConflict>;
    /**
     * Notes that an attempt is handed to a node, and moves its batch's payments from `batched` to `submitted`. `decided`: its
     * batch is no longer open, and there is nothing to hand out.
     */
    readonly markBroadcast: (lease: Lease, hash: Hex, nowMs: number) => Promise<"stored" | "fenced" | "decided">;
    /** Batches of a sender in given states by txNonce, with attempts and receipt. */
    readonly batches: (query: {
      readonly chainId: number;
      readonly sender?: Address;
      readonly states: readonly BatchState[];
      /** The lowest txNonce to return: with `limit`, to page through the batches of one sender. */
      readonly fromTxNonce?: number;
      readonly limit?: number;
    }) => Promise<readonly BatchRow[]>;
    readonly batch: (id: Hex) => Promise<BatchRow | undefined>;
    /** The batch that a transaction was signed for. */
    readonly batchWithHash: (hash: Hex) => Promise<BatchRow | undefined>;
    /** The mined batches of a sender that are not final yet, by txNonce: only what it takes to look at their blocks. */
    readonly minedBatches: (query: {
      readonly chainId: number;
      readonly sender: Address;
      readonly limit: number;
    }) => Promise<readonly MinedBatch[]>;
    /** Every key that this journal has sent from or leased, by chain and address. */
    readonly senders: (chainId?: number) => Promise<readonly SenderRow[]>;
    /** The highest txNonce that was ever stored for a sender, of batches in these states or in any; undefined if none was. */
    readonly lastTxNonce: (
      chainId: number,
      sender: Address,
      states?: readonly BatchState[],
    ) => Promise<number | undefined>;
    /**
     * Sets a batch's state (and receipt) together with the transitions of its payments, in one transaction. Without a receipt a
     * `mined` or `final` batch keeps the one that it has; an `open` or `lost` one has none. A transition whose payment has
     * moved on is skipped, so the same conclusion may be stored twice.
     */
    readonly concludeBatch: (
      lease: Lease,
      conclusion: {
        readonly batchId: Hex;
        readonly state: BatchState;
        readonly receipt: ReceiptRow | undefined;
        readonly transitions: readonly Transition[];
      },
      nowMs: number,
    ) => Promise<"stored" | "fenced">;

    // --- Everything else ---

    /** Strikes of accounts that cost gas behind a pre-flight which they passed, and until when they wait. */
    readonly strikes: (
      chainId: number,
      payers: readonly Address[],
    ) => Promise<ReadonlyMap<string, { readonly strikes: number; readonly untilMs: number }>>;
    /** Adds a strike. What ended before `forgetBeforeMs` does not count any more. */
    readonly strike: (chainId: number, payer: Address, untilMs: number, forgetBeforeMs?: number) => Promise<void>;
    /** Small values by name, such as a block cursor. */
    readonly cursor: (name: string) => Promise<string | undefined>;
    readonly setCursor: (name: string, value: string) => Promise<void>;
    /** Sets a small value where its name has none yet; resolves with the one that the name has then. */
    readonly setOnce: (name: string, value: string) => Promise<string>;
    /** Removes a small value where it is still this one. */
    readonly unset: (name: string, value: string) => Promise<void>;
    /**
     * Adds to small values that are whole numbers, 0 at first and each named once: to all of them, or, where one would come
     * above its `most`, to none. It resolves with the place of the first of those, undefined where all were added to.
     */
    readonly addWithin: (
      counters: readonly { readonly name: string; readonly amount: number; readonly most: number }[],
    ) => Promise<number | undefined>;
    /** Removes small values whose names begin with `prefix` and sort before `before`, which begins with it too. */
    readonly forgetNotes: (prefix: string, before: string) => Promise<void>;
    /**
     * Keeps a resource of a catalogue under its key, and of all whose key begins with `among` (an empty text where it is left
     * out) the `most` that were kept last.
     */
    readonly keepResource: (resource: ResourceRow, most: number, among?: string) => Promise<void>;
    /** All kept resources, or those with these keys, the one that was kept last first. */
    readonly resources: (keys?: readonly string[]) => Promise<readonly ResourceRow[]>;

    // --- Its own state ---

    /**
     * Why the last write failed, or a read that found no database, from memory; undefined once a write succeeds. A full disk
     * stays its fault until a probe succeeds, since a small write may still find room; a damaged file until it is opened again.
     */
    readonly fault: () => JournalError | undefined;
    /** Writes 64 KiB, durably, and takes that back: rejects where nothing could be accepted now. */
    readonly probe: () => Promise<void>;
    readonly close: () => Promise<void>;
  };

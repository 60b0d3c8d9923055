import type { Address, Hex } from "viem";
import type { Lease } from "./leases.ts";
import type { Transition } from "./payments.ts";

/**
 * How a batch is sent: through the router, on the token, as calls of other contracts, or as a no-op that only uses up
 * its txNonce.
 */
export type BatchKind = "router" | "direct" | "call" | "noop";

/**
 * A batch's states. It is `open` until one attempt is mined to confirmed depth or another transaction took its txNonce.
 */
export type BatchState = "open" | "mined" | "final" | "lost";

/** A signed transaction of a batch: a first one and its replacements, all under the batch's txNonce. */
export type Attempt = {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly gas: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** The payments that it carries, in order. A replacement may drop some but never adds any. Empty for a no-op. */
  readonly paymentIds: readonly number[];
  /** How to read it: through the router under its batch id, or directly; for calls, through Multicall3 or directly. */
  readonly kind: BatchKind;
  readonly router: Address | undefined;
  readonly createdAtMs: number;
  /** When it was last handed to a node; undefined before the first time. */
  readonly broadcastAtMs: number | undefined;
};

/** A receipt as the journal keeps it. Fees are in wei; `feeWei` includes the data fee of an OP-stack chain. */
export type ReceiptRow = {
  readonly hash: Hex;
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
  readonly dataFeeWei: bigint;
};

/** A batch in the journal: everything that was signed under one txNonce of a sender. */
export type BatchRow = {
  /** 32 bytes: a hash of the chain, the sender, the txNonce and the time. It is also the label on chain. */
  readonly id: Hex;
  readonly chainId: number;
  readonly sender: Address;
  readonly txNonce: number;
  readonly state: BatchState;
  /** In the order in which they were signed. */
  readonly attempts: readonly Attempt[];
  /** Of the attempt that was mined; undefined before. */
  readonly receipt: ReceiptRow | undefined;
  readonly createdAtMs: number;
};

/** A batch whose transaction is mined, without its bytes. */
export type MinedBatch = { readonly id: Hex; readonly receipt: ReceiptRow };

/** A new batch with its first attempt. */
export type NewBatch = Pick<BatchRow, "id" | "chainId" | "sender" | "txNonce"> & { readonly attempt: Attempt };

/** Why a journal did not do what was asked: things changed in the meantime. */
export type JournalConflict =
  /** The lease is no longer this owner's. Whatever was signed must not be broadcast. */
  | "fenced"
  /** A payment was not in the expected state, or another variant of it is in flight. */
  | "payments-moved"
  /** Another batch of this sender has this txNonce. */
  | "txnonce-taken";

/** Signed transactions and their outcomes. Each change is fenced by the lease of the key that signed. */
export type BatchJournal = {
  /** Stores a signed batch and moves its payments from `queued` to `batched`, if the lease is still the owner's. */
  readonly storeBatch: (lease: Lease, batch: NewBatch, nowMs: number) => Promise<"stored" | JournalConflict>;
  /**
   * Stores a replacement under the batch's txNonce. Payments that it drops stay with the batch until its txNonce is
   * decided: an earlier attempt may still be mined.
   */
  readonly storeAttempt: (lease: Lease, batchId: Hex, attempt: Attempt) => Promise<"stored" | JournalConflict>;
  /**
   * Notes that an attempt is handed to a node, and moves its batch's payments from `batched` to `submitted`. `decided`
   * means that the batch is no longer open, so there is nothing to hand out.
   */
  readonly markBroadcast: (lease: Lease, hash: Hex, nowMs: number) => Promise<"stored" | "fenced" | "decided">;
  /** A sender's batches in given states, by txNonce, with attempts and receipt. */
  readonly batches: (query: {
    readonly chainId: number;
    readonly sender?: Address;
    readonly states: readonly BatchState[];
    /** The lowest txNonce to return: with `limit`, to page through the batches of one sender. */
    readonly fromTxNonce?: number;
    readonly limit?: number;
  }) => Promise<readonly BatchRow[]>;
  /** A batch with its attempts and its receipt; undefined if there is none with this id. */
  readonly batch: (id: Hex) => Promise<BatchRow | undefined>;
  /** The batch that a transaction was signed for. */
  readonly batchWithHash: (hash: Hex) => Promise<BatchRow | undefined>;
  /** A sender's mined batches that are not final yet, by txNonce, with only what is needed to look at their blocks. */
  readonly minedBatches: (query: {
    readonly chainId: number;
    readonly sender: Address;
    readonly limit: number;
  }) => Promise<readonly MinedBatch[]>;
  /**
   * The highest txNonce that was ever stored for a sender, among batches in these states or in any; undefined if none
   * was.
   */
  readonly lastTxNonce: (
    chainId: number,
    sender: Address,
    states?: readonly BatchState[],
  ) => Promise<number | undefined>;
  /**
   * Sets a batch's state (and receipt) together with the transitions of its payments, in one transaction. If no receipt
   * is given, a `mined` or `final` batch keeps the one that it has; an `open` or `lost` one loses it. A transition
   * whose payment has moved on is skipped, so the same conclusion may be stored twice.
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
};

import type { Address, Hex } from "viem";
import type { Lease } from "./leases.ts";
import type { Transition } from "./payments.ts";

export type BatchKind = "router" | "direct" | "call" | "noop";

/** A batch's way: `open` until one attempt is mined to confirmed depth or its txNonce went to another transaction. */
export type BatchState = "open" | "mined" | "final" | "lost";

/** A signed transaction of a batch: a first one and its replacements, all under the batch's txNonce. */
export type Attempt = {
  readonly hash: Hex;
  readonly raw: Hex;
  readonly gas: bigint;
  readonly maxFeePerGas: bigint;
  readonly maxPriorityFeePerGas: bigint;
  /** The payments that it carries, in order: a replacement only drops some, it never adds any. Empty for a no-op. */
  readonly paymentIds: readonly number[];
  /** How it is to be read: through the router under its batch id, or directly; of calls, through Multicall3 or directly. */
  readonly kind: BatchKind;
  readonly router: Address | undefined;
  readonly createdAtMs: number;
  /** When it was last handed to a node; undefined before the first time. */
  readonly broadcastAtMs: number | undefined;
};

export type ReceiptRow = {
  readonly hash: Hex;
  readonly blockNumber: bigint;
  readonly blockHash: Hex;
  readonly succeeded: boolean;
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
  readonly dataFeeWei: bigint;
};

export type BatchRow = {
  /** 32 bytes: a hash of the chain, the sender, the txNonce and the time. It is also the label on chain. */
  readonly id: Hex;
  readonly chainId: number;
  readonly sender: Address;
  readonly txNonce: number;
  readonly state: BatchState;
  readonly attempts: readonly Attempt[];
  readonly receipt: ReceiptRow | undefined;
  readonly createdAtMs: number;
};

/** A batch whose transaction is mined, without its bytes. */
export type MinedBatch = { readonly id: Hex; readonly receipt: ReceiptRow };

/** A new batch with its first attempt. */
export type NewBatch = Pick<BatchRow, "id" | "chainId" | "sender" | "txNonce"> & { readonly attempt: Attempt };

/** What a journal says when it does not do what was asked, because the world moved on. */
export type JournalConflict =
  /** The lease is no longer this owner's. Whatever was signed must not be broadcast. */
  | "fenced"
  /** A payment was not in the expected state, or another variant of it is in flight. */
  | "payments-moved"
  /** Another batch of this sender has this txNonce. */
  | "txnonce-taken";

/** Signed transactions and what became of them. Each change is fenced by the lease of the key that signed. */
export type BatchJournal = {
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
};

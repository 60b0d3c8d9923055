import type { Address, Hex } from "viem";
import type { AuthorizationIdentity } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";

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
export const CLAIMING_STATES = ["batched", "submitted", "settled"] as const satisfies readonly PaymentState[];

/** How sure a settlement is: mined, in a safe block, in a final block. */
export type SettlementLevel = "included" | "safe" | "final";

/** Why a payment is in its state: what was seen, where. Kept with every step of its history. */
export type Evidence =
  | { readonly kind: "accepted"; readonly block: bigint }
  /** The token's own logs in a receipt. `gasShare` and `feeShareWei` are this payment's part of the transaction. */
  | {
      readonly kind: "transfer";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly blockHash: Hex;
      readonly logIndex: number;
      readonly gasShare: bigint;
      readonly feeShareWei: bigint;
      readonly level: SettlementLevel;
    }
  /** A call other than an authorization was mined. Gas and fee are its part of the transaction's. */
  | {
      readonly kind: "receipt";
      readonly transactionHash: Hex;
      readonly blockNumber: bigint;
      readonly blockHash: Hex;
      readonly gasUsed: bigint;
      readonly feeWei: bigint;
      readonly level: SettlementLevel;
    }
  /** The token refused it in a mined transaction, or in a pre-flight (without a transaction). */
  | {
      readonly kind: "refusal";
      readonly reason: string;
      readonly message: string;
      readonly transactionHash: Hex | undefined;
      readonly blockNumber: bigint;
      readonly data: Hex;
    }
  /** Its nonce is used, cancelled or spent on a variant; the transaction where it could be found. */
  | {
      readonly kind: "nonce-use";
      readonly use: "settled" | "used-by-variant" | "cancelled" | "unknown";
      readonly transactionHash: Hex | undefined;
      readonly blockNumber: bigint;
      readonly logIndex: number | undefined;
    }
  /** Negative proof: at this final block `validBefore` had passed and the nonce was unused. The payer may safely pay again. */
  | {
      readonly kind: "deadline";
      readonly blockNumber: bigint;
      readonly blockTimestamp: bigint;
      readonly final: boolean;
    }
  /** It went into this batch, under this attempt. */
  | { readonly kind: "batch"; readonly batchId: string; readonly transactionHash: Hex }
  /** Every attempt's txNonce was consumed by another transaction at confirmed depth, or the batch ended before this item. */
  | { readonly kind: "returned"; readonly why: string; readonly transactionHash: Hex | undefined }
  /** The block that it settled in is no longer in the chain. */
  | { readonly kind: "reorg"; readonly blockNumber: bigint; readonly blockHash: Hex }
  /** An operator or a caller asked for it. */
  | { readonly kind: "request"; readonly by: string };

/** What the engine carries: an authorization, or any other call of a contract. */
export type Work =
  | {
      readonly kind: "authorization";
      readonly authorization: SignedAuthorization;
      readonly payerHasCode: boolean;
      /** Whether it goes in a transaction of its own. */
      readonly alone?: true;
    }
  /** `gas` is the explicit gas of its transaction; of a call with a `proof`, that of the call alone. */
  | {
      readonly kind: "call";
      readonly chainId: number;
      readonly to: Address;
      readonly data: Hex;
      readonly gas: bigint;
      /** For a call that does not depend on its caller and runs no stranger's code: it may share a transaction. */
      readonly proof?: LogProof | undefined;
      /** Strangers who can make it fail behind a pre-flight that it passed: where it does, they get a strike. */
      readonly signers?: readonly Address[];
      /** What it takes from a payer, by an EIP-3009 authorization. */
      readonly spends?: (AuthorizationIdentity & { readonly value: bigint }) | undefined;
    };

/**
 * A log that a call makes if and only if it did what it should: its contract, its topics and the words of its data, where
 * null and what is left out match anything.
 */
export type LogProof = {
  readonly address: Address;
  readonly topics: readonly (Hex | null)[];
  readonly data?: readonly (Hex | null)[] | undefined;
};

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
  /** Who alone may hear its success, see {@link Journal.consume}; undefined for nobody who is known by a name. */
  readonly bringer?: string | undefined;
};

export type PaymentRow = NewPayment & {
  readonly id: number;
  readonly chainId: number;
  readonly state: PaymentState;
  /** Of the state: a refusal's reason, for instance. */
  readonly reason: string | undefined;
  readonly evidence: Evidence;
  readonly batchId: string | undefined;
  readonly acceptedAtMs: number;
  readonly updatedAtMs: number;
  /** How often it was put into a batch. */
  readonly tries: number;
  /** Not claimed before this time. */
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
  readonly evidence: Evidence;
};

/** One transition, applied only where the payment is still in `from` (and in `batchId`, where that is given). */
export type Transition = {
  readonly paymentId: number;
  readonly from: readonly PaymentState[];
  readonly batchId?: string;
  readonly to: PaymentState;
  readonly reason?: string;
  readonly evidence: Evidence;
  /** With `to: "queued"`: not before this time. */
  readonly nextTryAtMs?: number;
  /** Who brings the payment anew, in the place of its bringer until then; null for somebody without a name. */
  readonly bringer?: string | null;
};

/** The right to send from one key, held by one engine at a time. A takeover raises the epoch, which fences the old owner. */
export type Lease = {
  readonly chainId: number;
  readonly sender: Address;
  readonly owner: string;
  readonly epoch: number;
};

/** Where an engine runs. */
export type LeasePlace = { readonly host: string; readonly pid: number };

/** A lease as others see it. */
export type HeldLease = Lease & {
  /** Unknown of a lease that an engine of an earlier version took. */
  readonly place: LeasePlace | undefined;
  /** How often it was renewed. */
  readonly renewals: number;
  /** How long others must see it unrenewed before they may take the key. */
  readonly ttlMs: number;
  /** Unix milliseconds by the database's clock, for people to read: nothing is decided by it. */
  readonly takenAtMs: number;
  /** How long ago it was renewed by the same clock. For people, too. */
  readonly silentForMs: number;
};

/** A sending key as the journal knows it. */
export type SenderRow = {
  readonly chainId: number;
  readonly sender: Address;
  /** How often the lease went to a new owner. */
  readonly epoch: number;
  /** Undefined where nobody has it. */
  readonly lease: HeldLease | undefined;
  readonly openBatches: number;
  readonly lastTxNonce: number | undefined;
};

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
  /** Bound to the set of its items, 32 bytes; also the label on chain. */
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

/** An entry of a facilitator's catalogue, as text that this journal does not read. */
export type ResourceRow = { readonly key: string; readonly value: string; readonly updatedAtMs: number };

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

import type { Address } from "viem";

/**
 * The right to send from one key, held by one engine at a time. A takeover raises the epoch, which fences the old
 * owner.
 */
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
  /** Undefined if the engine did not say. */
  readonly place: LeasePlace | undefined;
  /** How often it was renewed. */
  readonly renewals: number;
  /** How long others must see it unrenewed before they may take the key. */
  readonly ttlMs: number;
  /** Unix milliseconds by the database's clock. For people to read: nothing depends on it. */
  readonly takenAtMs: number;
  /** How long ago it was renewed, by the same clock. For people, too. */
  readonly silentForMs: number;
};

/** A sending key as the journal knows it. */
export type SenderRow = {
  readonly chainId: number;
  readonly sender: Address;
  /** How often the lease went to a new owner. */
  readonly epoch: number;
  /** Undefined if nobody has it. */
  readonly lease: HeldLease | undefined;
  readonly openBatches: number;
  readonly lastTxNonce: number | undefined;
};

/** Who may send from which key. */
export type LeaseJournal = {
  /**
   * Takes the lease of a key if it is free, already `owner`'s (then it is renewed under the same epoch), or still
   * exactly `abandoned`; otherwise tells who has it. No clock decides here: a caller gives as `abandoned` a lease that
   * it has itself seen unrenewed for the whole `ttlMs`, by a clock of its own that nobody sets. A takeover frees what
   * the earlier owner had picked, unless that owner still has the lease of another key of the chain.
   */
  readonly acquireLease: (request: {
    readonly chainId: number;
    readonly sender: Address;
    readonly owner: string;
    readonly ttlMs: number;
    readonly place?: LeasePlace | undefined;
    readonly abandoned?: HeldLease | undefined;
  }) => Promise<{ readonly lease: Lease } | { readonly heldBy: HeldLease }>;
  /** Gives a lease up. Nothing happens if somebody else has it by now. */
  readonly releaseLease: (lease: Lease) => Promise<void>;
  /** Every key that this journal has sent from or leased, by chain and address. */
  readonly senders: (chainId?: number) => Promise<readonly SenderRow[]>;
};

import type { Address, Hex, LocalAccount } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import type { BatchKind, BatchRow } from "../../journal/ports/batches.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { MinedAttempt } from "../outcome/observe.ts";
import type { EnginePolicy } from "../policy.ts";
import type { Rival } from "./lease.ts";

/** A call that carries payments, once its batch has an id. */
export type Composition = {
  readonly kind: BatchKind;
  readonly to: Address;
  readonly data: Hex;
  readonly gas: bigint;
  readonly router: Address | undefined;
  readonly payments: readonly PaymentRow[];
};

/** What a sender needs of the engine around it. */
export type SenderPort = {
  readonly journal: Journal;
  readonly client: ChainClient;
  /** Every node that bytes are handed to. */
  readonly nodes: readonly ChainClient[];
  readonly account: LocalAccount;
  readonly policy: EnginePolicy;
  readonly clock: Clock;
  readonly logger: Logger;
  /** Names this engine in leases. */
  readonly owner: string;
  /** Payments that can still settle, of these, as a call for the batch: undefined where none can. */
  readonly recompose: (payments: readonly PaymentRow[], batchId: Hex) => Promise<Composition | undefined>;
  /**
   * The batch's mined attempt is deep enough: store what it means. What it left over stays with the batch until no reorg can
   * bring it back. `refused` are payments that no node takes even alone.
   */
  readonly conclude: (
    lease: Lease,
    batch: BatchRow,
    mined: MinedAttempt,
    refused: ReadonlySet<number>,
  ) => Promise<void>;
  /** Another transaction took the batch's txNonce for good: queue its payments again. */
  readonly giveBack: (lease: Lease, batch: BatchRow, consumer: Hex) => Promise<void>;
};

/** Why a sender does not send just now. */
export type Pause =
  | "no-lease"
  | "low-balance"
  | "closed"
  /** The node's count of its transactions cannot be true. Nothing is signed until it can. */
  | "node-fault"
  /** Its last try to sign or to ask the node failed; it is left alone for a moment, and others go on. */
  | "failing";

export type Sender = {
  readonly address: Address;
  /** Why nothing can be sent, undefined where it can. */
  readonly paused: () => Pause | undefined;
  readonly openBatches: () => number;
  /** The lease, while it holds by this process's clock. */
  readonly lease: () => Lease | undefined;
  /** Takes or renews the lease. Answers with whoever else has the key. */
  readonly keepLease: () => Promise<Rival | undefined>;
  /** Counts what the journal holds open, so that nothing is sent beyond the cap before the first look at the chain. */
  readonly count: () => Promise<void>;
  /** Signs, stores and broadcasts. `false`: nothing was stored, and the payments are as they were. */
  readonly send: (compose: (batchId: Hex) => Composition) => Promise<boolean>;
  /** Looks at the open batches once and does what each needs. Rejects where the node does not answer. */
  readonly tick: () => Promise<void>;
  /** Lets go of the key. Nothing is signed or broadcast afterwards. */
  readonly close: () => Promise<void>;
};

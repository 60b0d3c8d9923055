import type { Address, Hex, LocalAccount } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import type { Steps } from "../../chain/heads/steps.ts";
import type { BatchKind } from "../../journal/ports/batches.ts";
import type { Lease } from "../../journal/ports/leases.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { Conclusions } from "../outcome/conclusions.ts";
import type { Preconfirmations } from "../outcome/preconfirmations.ts";
import type { SettlementPort } from "../port.ts";
import type { CutOff } from "./cutOff.ts";
import type { Rival } from "./lease.ts";

/** A call that carries payments, made for a batch that has its id. */
export type Composition = {
  readonly kind: BatchKind;
  readonly to: Address;
  readonly data: Hex;
  readonly gas: bigint;
  readonly router: Address | undefined;
  readonly payments: readonly PaymentRow[];
};

/** What a sender needs from its engine. */
export type SenderPort = SettlementPort &
  Pick<Conclusions, "concludeMined" | "giveBack"> & {
    /** Every node that bytes are handed to. */
    readonly nodes: readonly ChainClient[];
    readonly account: LocalAccount;
    readonly logger: Logger;
    readonly cutOff: Pick<CutOff, "sent" | "mined">;
    /** Undefined if preconfirmations are not looked at. */
    readonly preconfirmations: Pick<Preconfirmations, "see"> | undefined;
    /** The steps in which a block is preconfirmed; undefined as above. `cutOff` then counts them, not blocks. */
    readonly steps: Pick<Steps, "newest"> | undefined;
    /** Names this engine in leases. */
    readonly owner: string;
    /** Composes those of these payments that can still settle as a call for the batch. Undefined if none can. */
    readonly recompose: (payments: readonly PaymentRow[], batchId: Hex) => Promise<Composition | undefined>;
  };

/** Why a sender does not send just now. */
export type Pause =
  | "no-lease"
  | "low-balance"
  | "closed"
  /** The node's count of its transactions cannot be true. Nothing is signed until the count is believed again. */
  | "node-fault"
  /** Its last try to sign or to ask the node failed. It pauses for a moment, and others go on. */
  | "failing";

export type Sender = {
  readonly address: Address;
  /** Why nothing can be sent; undefined if it can. */
  readonly paused: () => Pause | undefined;
  readonly openBatches: () => number;
  /** The lease, while it is valid by this process's clock. */
  readonly lease: () => Lease | undefined;
  /** Takes or renews the lease if that is due. Resolves with the engine that has the key, if it is another one. */
  readonly keepLease: () => Promise<Rival | undefined>;
  /** Counts the batches that are open in the journal, so that the cap also holds before the first look at the chain. */
  readonly count: () => Promise<void>;
  /** Signs, stores and broadcasts. False if nothing was stored: then the payments are as they were. */
  readonly send: (compose: (batchId: Hex) => Composition) => Promise<boolean>;
  /** Looks at the open batches once and does what each needs. Rejects if the node does not answer. */
  readonly tick: () => Promise<void>;
  /** Releases the key. Nothing is signed or broadcast afterwards. */
  readonly close: () => Promise<void>;
};

import type { Address, LocalAccount } from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { Admission, CallSubmission, Refusal, Submission } from "../intake/admit.ts";
import type { PreconfirmationView } from "../outcome/preconfirmations.ts";
import type { Pace } from "../pace.ts";
import type { EnginePolicyOptions } from "../policy.ts";
import type { CutOffView } from "../sending/cutOff.ts";
import type { Pause } from "../sending/types.ts";
import type { Enough } from "./waiters.ts";

/** Everything that an engine works with. The engine closes none of it. */
export type EngineOptions = {
  /** Where everything that the engine knows and did is kept. */
  readonly journal: Journal;
  readonly chain: {
    /** The node for reads and broadcasts. If it has several URLs, reads survive a dead node. */
    readonly client: ChainClient;
    /** Further nodes that signed transactions are sent to. They are also asked to confirm what `client` says. */
    readonly nodes?: readonly ChainClient[];
    /** A node that announces new blocks (`ws:` or `wss:`). Without one, `client` is asked when a block is due. */
    readonly webSocketUrl?: string | undefined;
  };
  /** The keys to send from. Nothing else may use them while the engine runs. */
  readonly senders: readonly LocalAccount[];
  /**
   * What the operator decides. What is left out is as in `DEFAULT_ENGINE_POLICY`, and fees are the chain's usual ones.
   */
  readonly policy?: EnginePolicyOptions;
  /** @internal For tests, which cannot wait. */
  readonly pace?: Partial<Pace> | undefined;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Names this engine in leases; unique to the process by default. */
  readonly owner?: string;
};

type Waiting = {
  /** Ends the wait. The payment stays accepted. */
  readonly signal?: AbortSignal;
};

/** A running engine: it settles what is submitted, and what its journal holds open, until it is closed. */
export type SettlementEngine = {
  /**
   * Verifies payments and stores them. Resolves when they are durable; their outcomes follow later. If the same terms
   * are submitted again, they are the same payment: the answer is its row as it is, and it is tried again if it was
   * rejected for a reason that may have passed.
   * @throws ChainUnavailableError if the node could not say whether one of them is good. The others may be stored
   * already; it does no harm to submit those again.
   */
  readonly accept: (submissions: readonly Submission[]) => Promise<readonly Admission[]>;
  /**
   * {@link SettlementEngine.accept} for one payment. It shares reads and a commit with all others of the same moment,
   * but does not fail because of them.
   */
  readonly acceptOne: (submission: Submission) => Promise<Admission>;
  /**
   * {@link SettlementEngine.accept} for any other call of a contract.
   * @throws CallKeyError if the key names another call.
   */
  readonly acceptCall: (call: CallSubmission) => Promise<Admission>;
  /**
   * Accepts one payment and waits until it is decided.
   * @throws EngineBusyError if too many callers wait already.
   */
  readonly submit: (submission: Submission, options?: Waiting) => Promise<Admission>;
  /** Accepts a call and waits until it is decided. */
  readonly submitCall: (call: CallSubmission, options?: Waiting) => Promise<Admission>;
  /**
   * Waits until a stored payment is decided, whichever process accepted it; with `enough: "preconfirmed"`, until it is
   * preconfirmed at least. The row says which.
   */
  readonly outcome: (id: number, options?: Waiting & { readonly enough?: Enough }) => Promise<PaymentRow>;
  /**
   * Whether the payer's balance covers this payment and their unsettled ones, as far as this engine knows. The chain is
   * asked only if the payer has unsettled payments.
   * @throws ChainUnavailableError where the node does not answer.
   */
  readonly covers: (payment: SignedAuthorization) => Promise<boolean>;
  /**
   * The refusal that {@link SettlementEngine.accept} would give a payment now; undefined if it would not refuse it.
   * Nothing is stored.
   * @throws ChainUnavailableError where the node does not answer.
   */
  readonly refusal: (submission: Submission) => Promise<Refusal | undefined>;
  /**
   * Why the payer may have no more open now; undefined if they may.
   * @param openCap Replaces the policy's `payerOpenCap` for this payment.
   */
  readonly beyondCaps: (payment: SignedAuthorization, openCap?: number) => string | undefined;
  /** The payment with this number as it is now; undefined if there is none. */
  readonly status: (id: number) => Promise<PaymentRow | undefined>;
  /** Takes a payment out of the queue. False if it is in a batch already, or decided. */
  readonly cancel: (id: number) => Promise<boolean>;
  /**
   * Puts a payment that was rejected, or taken out of the queue, back into it. If `bringer` is given, only that one
   * hears its success from then on (null: nobody with a name). False if its state does not allow that.
   */
  readonly retry: (id: number, change?: { readonly bringer?: string | null }) => Promise<boolean>;
  /** Sends queued payments without waiting for company, from now on. It is for a caller who has no more to submit. */
  readonly flush: () => void;
  /** Resolves when no payment is open any more. */
  readonly drain: (options?: Waiting) => Promise<void>;
  /** The sending keys, each with its open batches. `paused` says why a key sends nothing; undefined if it sends. */
  readonly accounts: () => readonly {
    readonly address: Address;
    readonly openBatches: number;
    readonly paused: Pause | undefined;
  }[];
  /**
   * How long it is until the engine sends what waits, in milliseconds; 0 if it does not send in step with blocks. A payment that
   * is accepted within this time loses nothing by coming later.
   */
  readonly spareMs: () => number;
  /**
   * Resolves at once, or while a round of sending for the next block is under way, when that is over. A payment that comes
   * meanwhile is too late for that block, so its verification can wait and leave the processor to the round.
   */
  readonly roundOver: () => Promise<void>;
  /** How the engine keeps step with the blocks, or with the steps in which a block is preconfirmed. */
  readonly cutOff: () => CutOffView;
  /** What became of preconfirmations; undefined if the engine does not look at them. */
  readonly preconfirmations: () => PreconfirmationView | undefined;
  /**
   * Stops intake and sends no new batch, waits up to `finishWithinMs` (10 seconds by default) for batches
   * that are on their way, and releases the keys. Open payments stay stored, and callers who wait for them are told so.
   * Calling it again gives the same promise.
   */
  readonly close: (options?: { readonly finishWithinMs?: number }) => Promise<void>;
};

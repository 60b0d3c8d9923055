import type { Address, LocalAccount } from "viem";
import type { SignedAuthorization } from "../../authorization/types.ts";
import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { PaymentRow } from "../../journal/ports/payments.ts";
import type { Logger } from "../../logger.ts";
import type { Admission, CallSubmission, Refusal, Submission } from "../intake/admit.ts";
import type { EnginePolicyOptions } from "../policy.ts";
import type { Pause } from "../sending/types.ts";

/** Everything that an engine works with. The engine closes none of it. */
export type EngineOptions = {
  readonly journal: Journal;
  readonly chain: {
    /** Reads, and broadcasts; give it several URLs for reads that survive a dead node. */
    readonly client: ChainClient;
    /** Further nodes that signed bytes are handed to. */
    readonly nodes?: readonly ChainClient[];
  };
  /** The keys to send from: each is this engine's alone while it runs. */
  readonly senders: readonly LocalAccount[];
  readonly policy?: EnginePolicyOptions;
  readonly clock?: Clock;
  readonly logger?: Logger;
  /** Names this engine in leases; unique to the process by default. */
  readonly owner?: string;
};

type Waiting = {
  /** Ends the wait. The payment stays accepted. */
  readonly signal?: AbortSignal;
};

export type SettlementEngine = {
  /**
   * Verifies payments and stores them; resolves when they are durable. Their outcomes follow. The same terms again are the
   * same payment: its row as it is, tried again where it was rejected for a reason that may have passed.
   * @throws ChainUnavailableError where the node could not say whether one of them is good. The others may be stored:
   * asking again changes nothing about those.
   */
  readonly accept: (submissions: readonly Submission[]) => Promise<readonly Admission[]>;
  /**
   * {@link SettlementEngine.accept} for one payment, whose reads and commit it shares with all others of the moment, and no
   * fault of theirs.
   */
  readonly acceptOne: (submission: Submission) => Promise<Admission>;
  /**
   * {@link SettlementEngine.accept} for any other call of a contract.
   * @throws CallKeyError where the key names another call.
   */
  readonly acceptCall: (call: CallSubmission) => Promise<Admission>;
  /**
   * Accepts one payment and waits until it is decided.
   * @throws EngineBusyError where too many wait already.
   */
  readonly submit: (submission: Submission, options?: Waiting) => Promise<Admission>;
  /** Accepts a call and waits until it is decided. */
  readonly submitCall: (call: CallSubmission, options?: Waiting) => Promise<Admission>;
  /** Waits until a stored payment is decided, whichever process accepted it. */
  readonly outcome: (id: number, options?: Waiting) => Promise<PaymentRow>;
  /**
   * Whether the payer's balance covers this payment and their unsettled ones, as far as this engine knows. The chain is asked
   * only if the payer has unsettled payments.
   * @throws ChainUnavailableError where the node does not answer.
   */
  readonly covers: (payment: SignedAuthorization) => Promise<boolean>;
  /**
   * Why {@link SettlementEngine.accept} would refuse a payment now, in its words; undefined where it would not. Nothing is
   * stored.
   * @throws ChainUnavailableError where the node does not answer.
   */
  readonly refusal: (submission: Submission) => Promise<Refusal | undefined>;
  /**
   * Why the payer may have no more open now, undefined where they may.
   * @param openCap As the policy's `payerOpenCap`, for this one.
   */
  readonly beyondCaps: (payment: SignedAuthorization, openCap?: number) => string | undefined;
  readonly status: (id: number) => Promise<PaymentRow | undefined>;
  /** Takes a payment out of the queue. False where it is in a batch already, or decided. */
  readonly cancel: (id: number) => Promise<boolean>;
  /**
   * Puts a payment that was rejected, or taken out of the queue, back into it; with a `bringer`, for that one from then on
   * (null: for nobody with a name). False where it is in no state for that.
   */
  readonly retry: (id: number, change?: { readonly bringer?: string | null }) => Promise<boolean>;
  /** Sends what is queued without waiting for company, now and from now on: for a caller who has no more to submit. */
  readonly flush: () => void;
  /** Resolves when no payment is open any more. */
  readonly drain: (options?: Waiting) => Promise<void>;
  readonly accounts: () => readonly {
    readonly address: Address;
    readonly openBatches: number;
    readonly paused: Pause | undefined;
  }[];
  /**
   * Stops intake and sends no new batch, waits up to `finishWithinMs` (`policy.closeWithinMs` by default) for those that
   * are on their way, and lets go of the keys. What is open then stays stored, and whoever waits for it is told so. Calling
   * it again gives the same promise.
   */
  readonly close: (options?: { readonly finishWithinMs?: number }) => Promise<void>;
};

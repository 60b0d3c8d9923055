import type { Readable } from "node:stream";
import type { Address, Hex, LocalAccount } from "viem";
import type { ParseContext } from "../../../authorization/index.ts";
import type { ChainClient } from "../../../chain/client.ts";
import type { Clock } from "../../../clock.ts";
import { TributaryError } from "../../../errors.ts";
import type { Journal, PaymentState } from "../../../journal/index.ts";
import type { Logger } from "../../../logger.ts";
import type { KeyWait } from "../../engine/takeKeys.ts";
import type { SettlementEngine } from "../../engine/types.ts";
import type { PaymentOutcome } from "../../outcome/results.ts";
import type { EnginePolicyOptions } from "../../policy.ts";
import type { JobStop } from "../job.ts";

/** What a watch works with and whom it tells. Times are in milliseconds. */
export type WatchOptions = {
  /**
   * A folder whose `*.jsonl` files are read as they grow, or a stream of lines. A line holds one authorization, x402
   * payload or x402 header; the last line of a file in a folder is not read before its line end is there.
   */
  readonly from: string | Readable;
  /**
   * The file to which results are appended as lines of JSON, each payment once, even across restarts. It must not be
   * one of the files that are read.
   */
  readonly out: string;
  /** The network and token of payments that name none. */
  readonly context?: ParseContext;
  /** Where payments and the places that were read are kept. A watch that begins anew on it reads on from there. */
  readonly journal: Journal;
  /** The keys to send from. Nothing else may use them while the watch runs. */
  readonly senders: readonly LocalAccount[];
  /** Further nodes that signed transactions are sent to. */
  readonly nodes?: readonly ChainClient[];
  /** A node that announces new blocks (`ws:` or `wss:`). Without one, the client is asked when a block is due. */
  readonly webSocketUrl?: string | undefined;
  /** How payments are gathered and sent. What is left out has a watch's defaults. */
  readonly policy?: EnginePolicyOptions;
  /** Ends the watch: nothing more is read. */
  readonly signal: AbortSignal;
  /** How long the watch waits at the end for transactions that are on their way (30 seconds by default). */
  readonly finishWithinMs?: number;
  /** Time between two calls of `onStatus` (10 seconds by default). */
  readonly statusEveryMs?: number;
  /** Called once the keys are taken and reading begins. From then on bad input no longer makes the watch throw. */
  readonly onStart?: (watch: { readonly folder: string | undefined }) => void;
  /** Called with each result once it is in the file. */
  readonly onResult?: (result: WatchResult) => void;
  /** Called every `statusEveryMs` with where the watch stands. */
  readonly onStatus?: (status: WatchStatus) => void;
  /**
   * Called when another engine holds a key. `waitMs` is the longest time until it is known whether that engine is
   * alive.
   */
  readonly onHeld?: (wait: KeyWait) => void;
  /** Called once `signal` has aborted and nothing more is taken in, with what the watch still waits for. */
  readonly onStop?: (waits: JobStop) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
};

/**
 * What became of a line: the outcome of its payment, or the refusal of a line that has no payment of its own. `source`
 * is `file:line`.
 */
export type WatchResult = WatchOutcome | WatchRefusal;

/** What became of a payment, with its number in the journal and its terms. `value` is in atomic units of the token. */
export type WatchOutcome = {
  readonly id: number;
  readonly source: string | undefined;
  /** CAIP-2. */
  readonly network: string;
  readonly token?: Address | undefined;
  readonly from?: Address | undefined;
  readonly to?: Address | undefined;
  readonly value?: bigint | undefined;
  readonly nonce?: Hex | undefined;
} & PaymentOutcome;

/**
 * A line that holds no payment, or one that is refused, or one that the journal has from elsewhere. `at` names a line
 * of a file even after the file is renamed.
 */
export type WatchRefusal = { readonly source: string; readonly at?: string | undefined } & (
  | { readonly status: "invalid"; readonly field: string; readonly message: string }
  | { readonly status: "rejected"; readonly reason: string; readonly message: string }
  | { readonly status: "duplicate"; readonly duplicateOf: number; readonly state: PaymentState }
);

/**
 * Where the payments of a watch stand. Other payments of the journal are not counted. Open payments include those that
 * an earlier run left; settled and not settled count only what was decided since this run began.
 */
export type WatchStanding = {
  readonly queued: number;
  readonly inFlight: number;
  /** The number of transactions that carry the payments in flight. */
  readonly transactions: number;
  readonly settled: number;
  readonly notSettled: number;
};

/** Where a watch stands, and the keys that it sends from. */
export type WatchStatus = WatchStanding & { readonly senders: ReturnType<SettlementEngine["accounts"]> };

/** What a watch cannot work with: the folder that it reads, the file of results, or results inside that folder. */
export type WatchProblem = "folder" | "results" | "results-in-folder";

/** A watch that cannot begin: there is no such folder, or its results cannot be written there. Nothing was sent. */
export class WatchError extends TributaryError {
  override readonly name = "WatchError";
  readonly problem: WatchProblem;

  constructor(
    problem: WatchProblem,
    shortMessage: string,
    options: { details?: string; hint?: string; cause?: unknown } = {},
  ) {
    super(shortMessage, options);
    this.problem = problem;
  }
}

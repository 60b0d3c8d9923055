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

/** What a watch works with and tells. Times in milliseconds. */
export type WatchOptions = {
  /**
   * A folder whose `*.jsonl` files are read as they grow, or a stream of lines. A line holds one authorization, x402 payload
   * or x402 header; a folder's last line without an end is left until its end is there.
   */
  readonly from: string | Readable;
  /** The file that results are appended to as lines of JSON, each payment once, over restarts too. It may not be one that is read. */
  readonly out: string;
  /** What is known of payments that name no network or no token. */
  readonly context?: ParseContext;
  readonly journal: Journal;
  /** The keys to send from: each is this watch's alone while it runs. */
  readonly senders: readonly LocalAccount[];
  /** Further nodes that signed bytes are handed to. */
  readonly nodes?: readonly ChainClient[];
  readonly policy?: EnginePolicyOptions;
  /** Ends the watch: nothing more is read. */
  readonly signal: AbortSignal;
  /** How long transactions that are on their way are waited for at the end (30 seconds by default). */
  readonly finishWithinMs?: number;
  /** Time between two calls of `onStatus` (10 seconds by default). */
  readonly statusEveryMs?: number;
  /** Told once the keys are taken and reading begins. From then on nothing is thrown that better input would avoid. */
  readonly onStart?: (watch: { readonly folder: string | undefined }) => void;
  /** Told of each result once it is in the file. */
  readonly onResult?: (result: WatchResult) => void;
  readonly onStatus?: (status: WatchStatus) => void;
  /** Told when another engine holds a key, dead or alive, and how long it takes at most until that is known. */
  readonly onHeld?: (wait: KeyWait) => void;
  /** Told once `signal` has aborted and nothing more is taken in: what the watch still waits for. */
  readonly onStop?: (waits: JobStop) => void;
  readonly clock?: Clock;
  readonly logger?: Logger;
};

/** What became of a line: of its payment, or of the line where it is no payment of its own. `source` is `file:line`. */
export type WatchResult = WatchOutcome | WatchRefusal;

/** What became of a payment, with its number in the journal and its terms. `value` in atomic units of the token. */
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

/** A line that holds no payment, one that is refused, or one that the journal has from elsewhere. `at` names a line of a file for good. */
export type WatchRefusal = { readonly source: string; readonly at?: string | undefined } & (
  | { readonly status: "invalid"; readonly field: string; readonly message: string }
  | { readonly status: "rejected"; readonly reason: string; readonly message: string }
  | { readonly status: "duplicate"; readonly duplicateOf: number; readonly state: PaymentState }
);

/**
 * Where the payments of a watch stand, and of no others: the journal may hold any number of those. Those that are open may be
 * left from an earlier run; decided is what was so since this one began.
 */
export type WatchStanding = {
  readonly queued: number;
  readonly inFlight: number;
  /** The transactions that those in flight are in. */
  readonly transactions: number;
  readonly settled: number;
  readonly notSettled: number;
};

/** Where a watch stands, and the keys that it sends from. */
export type WatchStatus = WatchStanding & { readonly senders: ReturnType<SettlementEngine["accounts"]> };

/** Whether it is what is read or where results go that a watch cannot work with. */
export type WatchProblem = "folder" | "results" | "results-in-folder";

/** A watch cannot begin: there is no such folder, or its results cannot be written. Nothing was sent. */
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

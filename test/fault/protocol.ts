import type { Hex } from "viem";
import type { Kill } from "./kills.ts";
import type { Scenario } from "./scenario.ts";

/** What an engine gets to settle, and its settings. */
export type Assignment = Pick<Scenario, "feed" | "calls" | "retryRefused" | "maxItems"> & {
  readonly senderKey: Hex;
  /** Whether it looks at preconfirmations, and gives each payment's success to whoever is first to ask. */
  readonly isPreconfirmed: boolean;
};

/** One life of an engine, as its process is told. */
export type Life = {
  readonly assignment: Assignment;
  readonly rpcUrl: string;
  /** Where the node announces new blocks, if it does. */
  readonly webSocketUrl: string | undefined;
  /** A SQLite file, or a `postgres://` address. */
  readonly journal: string;
  /** The run's time when it begins, in milliseconds. */
  readonly elapsedMs: number;
  readonly skewMs: number;
  /** The engine's name in leases. A restarted engine may come back under its old name. */
  readonly owner: string;
  readonly kill: Kill | undefined;
};

/** The outcome of a submission, in the engine's words. */
export type AdmissionSeen = {
  readonly index: number;
  readonly status: "accepted" | "refused";
  readonly reason?: string;
  readonly message?: string;
};

export type ToWorker =
  | { readonly kind: "live"; readonly life: Life }
  /** The run's time. The engine may end once it has nothing left to do, unless more trouble is to come. */
  | { readonly kind: "time"; readonly elapsedMs: number; readonly mayEnd: boolean };

export type FromWorker =
  | { readonly kind: "ready" }
  /** It has heard the time, and done what was due by then as far as it could. */
  | { readonly kind: "heard"; readonly isInStep: boolean; readonly takenBack: number }
  /** Somebody was given the success of a payment. */
  | { readonly kind: "success"; readonly paymentId: number }
  /** It is about to kill itself. */
  | { readonly kind: "dying" }
  | { readonly kind: "done"; readonly admissions: readonly AdmissionSeen[] }
  | { readonly kind: "failed"; readonly error: string };

import type { Hex } from "viem";
import type { Kill } from "./kills.ts";
import type { Scenario } from "./scenario.ts";

/** What an engine is fed with, and how it is set up. */
export type Assignment = Pick<Scenario, "feed" | "calls" | "retryRefused" | "maxItems"> & { readonly senderKey: Hex };

/** One life of an engine: what its process is told. */
export type Life = {
  readonly assignment: Assignment;
  readonly rpcUrl: string;
  /** A file of SQLite, or a `postgres://` address. */
  readonly journal: string;
  /** The run's time when it begins, in milliseconds. */
  readonly elapsedMs: number;
  readonly skewMs: number;
  /** Names the engine in leases: a restarted one may come back under its old name. */
  readonly owner: string;
  readonly kill: Kill | undefined;
};

/** What became of a submission, in the engine's words. */
export type AdmissionSeen = {
  readonly index: number;
  readonly status: "accepted" | "refused";
  readonly reason?: string;
  readonly message?: string;
};

export type ToWorker =
  | { readonly kind: "live"; readonly life: Life }
  /** The run's time. It may end once it has nothing left to do, unless there is trouble that it is to go through yet. */
  | { readonly kind: "time"; readonly elapsedMs: number; readonly mayEnd: boolean };

export type FromWorker =
  | { readonly kind: "ready" }
  /** It has heard the time, and done what was to be done by then as far as it could. */
  | { readonly kind: "heard" }
  /** It is about to kill itself. */
  | { readonly kind: "dying" }
  | { readonly kind: "done"; readonly admissions: readonly AdmissionSeen[] }
  | { readonly kind: "failed"; readonly error: string };

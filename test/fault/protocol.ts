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
  readonly startedAtMs: number;
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

export type FromWorker =
  | { readonly kind: "ready" }
  /** It is about to kill itself. */
  | { readonly kind: "dying" }
  | { readonly kind: "done"; readonly admissions: readonly AdmissionSeen[] }
  | { readonly kind: "failed"; readonly error: string };

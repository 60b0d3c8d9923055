import type { Merchant } from "./merchants.ts";

/** Who asks. */
export type Caller = {
  /** Undefined for somebody without an API key. */
  readonly merchant: Merchant | undefined;
  /** Where the connection comes from; undefined where there is none. */
  readonly address: string | undefined;
  /** The header Idempotency-Key as it was sent: it counts for merchants only. */
  readonly idempotencyKey?: string | undefined;
  /** Names the whole request and where it came from, so that somebody without a key is known who repeats it. */
  readonly request?: string | undefined;
};

/** Somebody of whom nothing is known. */
export const NOBODY: Caller = { merchant: undefined, address: undefined };

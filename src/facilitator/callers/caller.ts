import type { Merchant } from "./merchants.ts";

/** Who asks. */
export type Caller = {
  /** Undefined if the caller has no API key. */
  readonly merchant: Merchant | undefined;
  /** The address that the connection comes from; undefined if there is no connection. */
  readonly address: string | undefined;
  /** The header Idempotency-Key as it was sent. It counts for merchants only. */
  readonly idempotencyKey?: string | undefined;
  /** A name for the whole request and its address, by which a caller without a key is known when they repeat it. */
  readonly request?: string | undefined;
};

/** A caller about whom nothing is known. */
export const NOBODY: Caller = { merchant: undefined, address: undefined };

import type { Address } from "viem";

/** Accounts that cost gas behind a pre-flight which they passed. */
export type StrikeJournal = {
  /** Strikes of accounts that cost gas behind a pre-flight which they passed, and until when they wait. */
  readonly strikes: (
    chainId: number,
    payers: readonly Address[],
  ) => Promise<ReadonlyMap<string, { readonly strikes: number; readonly untilMs: number }>>;
  /** Adds a strike. What ended before `forgetBeforeMs` does not count any more. */
  readonly strike: (chainId: number, payer: Address, untilMs: number, forgetBeforeMs?: number) => Promise<void>;
};

import type { Address } from "viem";

/** Accounts that cost gas after they passed a pre-flight. */
export type StrikeJournal = {
  /** Strikes of accounts that cost gas after they passed a pre-flight, and until when those accounts wait. */
  readonly strikes: (
    chainId: number,
    payers: readonly Address[],
  ) => Promise<ReadonlyMap<string, { readonly strikes: number; readonly untilMs: number }>>;
  /** Adds a strike. Strikes whose wait ended before `forgetBeforeMs` no longer count. */
  readonly strike: (chainId: number, payer: Address, untilMs: number, forgetBeforeMs?: number) => Promise<void>;
};

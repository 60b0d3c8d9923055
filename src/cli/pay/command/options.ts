import type { Scheme } from "../offer.ts";

export type Options = {
  readonly max: bigint;
  readonly scheme: Scheme;
  readonly deposit?: bigint;
  readonly maxDeposit: bigint;
  readonly refund?: bigint | true;
  readonly rpcUrl: string;
  readonly keystore?: string;
  readonly method: string;
  readonly data?: string;
  readonly again?: true;
  readonly json?: true;
};

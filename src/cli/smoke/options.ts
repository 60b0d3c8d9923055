import type { Address } from "viem";
import type { Network } from "../../networks.ts";

export type Options = {
  readonly rpcUrl: string;
  readonly network?: Network;
  readonly keystore?: string;
  readonly deploymentDir?: string;
  readonly payee?: Address;
  readonly count: number;
  readonly amount: bigint;
  readonly report?: string;
  readonly yes?: true;
  readonly json?: true;
};

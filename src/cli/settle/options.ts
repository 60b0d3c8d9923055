import type { Address } from "viem";
import type { Network } from "../../networks.ts";
import type { PolicyOptions } from "../connect/engine.ts";

export type Options = PolicyOptions & {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly node?: readonly string[];
  readonly network?: Network;
  readonly token?: Address;
  readonly keystore?: string;
  readonly out?: string;
  readonly journal?: string;
  readonly watch?: string;
  readonly statusEvery: number;
  readonly strict?: true;
  readonly json?: true;
  readonly debug?: true;
  readonly wait: number;
};

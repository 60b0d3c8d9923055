import type { Address } from "viem";
import type { Network } from "../../networks.ts";
import type { PaymentFormat } from "../input/paymentFormats.ts";

export type Options = {
  readonly payee?: readonly Address[];
  readonly amount?: bigint;
  readonly minAmount?: bigint;
  readonly maxAmount?: bigint;
  readonly count: number;
  readonly payers: number;
  readonly firstIndex: number;
  readonly validFor: number;
  readonly validAfter?: bigint;
  readonly validBefore?: bigint;
  readonly network: Network;
  readonly token?: Address;
  readonly tokenName?: string;
  readonly tokenVersion?: string;
  readonly format: PaymentFormat;
  readonly seed?: string;
  readonly out?: string;
  readonly force?: true;
  readonly keystore?: string;
};

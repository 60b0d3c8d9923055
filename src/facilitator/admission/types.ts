import type { Address } from "viem";
import type { Undo } from "./claims.ts";

/** A request to this facilitator, in any scheme. Amounts are in atomic units. */
export type Ask = {
  readonly kind: "payment" | "deposit" | "claim" | "sweep" | "refund";
  /** The network's name in the requirements. */
  readonly network: string;
  readonly tokens: readonly Address[];
  /** The amount to move; undefined if only the chain can tell. */
  readonly amount: bigint | undefined;
  readonly payer: Address | undefined;
  /** The payee of a payment. */
  readonly payee?: Address | undefined;
  /** When the payer's signature ends, in Unix seconds. */
  readonly deadlineSeconds?: bigint | undefined;
  /** The length of the payer's signature. If it is above 65, an account with code has to check it. */
  readonly signatureBytes?: number | undefined;
  /** Whether the payer's wallet has to be deployed first (ERC-6492). */
  readonly deploys?: boolean | undefined;
  /** How many vouchers are claimed. */
  readonly rows?: number | undefined;
  /** Tells this request from every other one. For a payment, it covers everything that was signed. */
  readonly fingerprint: string;
  /** The payer's own id for the payment, from the extension payment-identifier. */
  readonly identifier?: string | undefined;
};

/** Why a request is at fault and not taken in, in the words of x402 v2. */
export type Fault = { readonly reason: string; readonly message: string };

/** What was counted and bound for a request that is about to be accepted. */
export type Ticket = {
  /** Takes everything back, because the request is not accepted after all. */
  readonly release: Undo;
  /** Gives the gas back, because the request was accepted but will never be sent. */
  readonly unsent: Undo;
};

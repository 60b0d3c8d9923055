import type { Address } from "viem";
import type { Undo } from "./claims.ts";

/** What is asked of this facilitator, whatever the scheme. Amounts in atomic units. */
export type Ask = {
  readonly kind: "payment" | "deposit" | "claim" | "sweep" | "refund";
  /** As the requirements name it. */
  readonly network: string;
  readonly tokens: readonly Address[];
  /** What is to move; undefined where that is not known before the chain is asked. */
  readonly amount: bigint | undefined;
  readonly payer: Address | undefined;
  /** Who is paid, of a payment. */
  readonly payee?: Address | undefined;
  /** When what the payer signed ends, Unix seconds. */
  readonly deadlineSeconds?: bigint | undefined;
  /** Of what the payer signed: longer than 65 bytes, it is for an account with code to judge. */
  readonly signatureBytes?: number | undefined;
  /** Whether the payer's wallet is deployed with it (ERC-6492). */
  readonly deploys?: boolean | undefined;
  /** Vouchers that are claimed. */
  readonly rows?: number | undefined;
  /** Tells this request from every other: of a payment, by all that was signed. */
  readonly fingerprint: string;
  /** The payer's own id of the payment, by the extension payment-identifier. */
  readonly identifier?: string | undefined;
};

/** Why something is not taken in, by its own fault: in the words of x402 v2. */
export type Fault = { readonly reason: string; readonly message: string };

/** What was counted and bound for something that is about to be accepted. */
export type Ticket = {
  /** Takes all of it back: it is not accepted after all. */
  readonly release: Undo;
  /** Gives the gas back: it was accepted and never sent, and never will be. */
  readonly unsent: Undo;
};

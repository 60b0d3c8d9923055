import { type Hex, zeroAddress } from "viem";
import { lowerS, normaliseSignature } from "../authorization/signature.ts";
import type { ChannelConfig } from "./types.ts";

/**
 * A voucher's signature in the one form that the contract takes. Servers take others too, by the same key over the same
 * voucher (x402 `batch-settlement` says nothing of it): a payer who signs in one of those would be served and never claimed.
 * Where the payer's account signs for itself, what is no plain signature of a key may be what its code wants, and stays.
 */
export function claimableSignature({ payerAuthorizer }: Pick<ChannelConfig, "payerAuthorizer">, signature: Hex): Hex {
  return lowerS(payerAuthorizer === zeroAddress ? signature : normaliseSignature(signature));
}

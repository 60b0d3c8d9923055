import { type Hex, zeroAddress } from "viem";
import { lowerS, normaliseSignature } from "../authorization/signature.ts";
import type { ChannelConfig } from "./types.ts";

/**
 * A voucher's signature in the one form that the contract takes. Servers also take other forms by the same key over the
 * same voucher (x402 `batch-settlement` does not mention them). A payer who signs in one of those would be served but
 * never claimed. If the payer's account signs for itself, anything that is not a plain key signature may be what its
 * code wants, and stays.
 */
export function claimableSignature({ payerAuthorizer }: Pick<ChannelConfig, "payerAuthorizer">, signature: Hex): Hex {
  return lowerS(payerAuthorizer === zeroAddress ? signature : normaliseSignature(signature));
}

import { type Address, getAddress, type Hex, size } from "viem";
import type { TokenDomain } from "../networks.ts";
import { recoverSigner } from "./recover.ts";
import { findSignatureDefect, isErc6492, normaliseSignature } from "./signature.ts";
import { hashAuthorization } from "./typedData.ts";
import type { SignedAuthorization } from "./types.ts";

/**
 * What a signature alone tells, without a chain. The token decides by the payer's code: without code it recovers the
 * signer; with code (including an EIP-7702 delegation) it asks ERC-1271 and nothing else. So `valid`, `mismatch` and
 * `malformed` hold for a payer without code. For one with code, only the chain can tell.
 */
export type OfflineVerdict =
  | {
      readonly status: "valid";
      /** The signature in the only form that the token takes from an account without code: 65 bytes, v 27 or 28. */
      readonly signature: Hex;
    }
  | { readonly status: "mismatch"; readonly recovered: Address }
  | { readonly status: "malformed"; readonly reason: "high-s" | "bad-v" | "unrecoverable" }
  | { readonly status: "undecided"; readonly reason: "erc6492" | "not-65-bytes" };

/**
 * Checks the signature of `signed` as the token would for a payer without code. Compact signatures (EIP-2098) and a v
 * of 0 or 1 are normalised first. A high `s` is malformed, as it is for the token.
 * @param options.isRecovered Whether the caller has already recovered the payer from this signature and domain. If so,
 * only the form is checked.
 */
export async function verifySignatureOffline(
  signed: SignedAuthorization,
  domain: TokenDomain,
  { isRecovered = false }: { readonly isRecovered?: boolean } = {},
): Promise<OfflineVerdict> {
  if (isErc6492(signed.signature)) return { status: "undecided", reason: "erc6492" };
  const signature = normaliseSignature(signed.signature);
  if (size(signature) !== 65) return { status: "undecided", reason: "not-65-bytes" };
  const defect = findSignatureDefect(signature);
  if (defect !== undefined) return { status: "malformed", reason: defect };
  if (isRecovered) return { status: "valid", signature };
  const recovered = await recoverSigner(hashAuthorization(signed, domain), signature);
  if (recovered === undefined) return { status: "malformed", reason: "unrecoverable" };
  if (recovered === signed.from.toLowerCase()) return { status: "valid", signature };
  return { status: "mismatch", recovered: getAddress(recovered) };
}

import { encodeFunctionData, type Hex } from "viem";
import { ierc3009Artifact } from "../contracts/IERC3009.ts";
import type { SignedAuthorization } from "./types.ts";

/**
 * Calldata of the token's own `transferWithAuthorization`: the (v, r, s) overload for a 65-byte signature of an account
 * without code, otherwise the `bytes` overload.
 */
export function encodeTransfer(
  authorization: SignedAuthorization,
  overload: "vrs" | "bytes" = overloadFor(authorization),
): Hex {
  const { from, to, value, validAfter, validBefore, nonce, signature } = authorization;
  const terms = [from, to, value, validAfter, validBefore, nonce] as const;
  const { abi } = ierc3009Artifact;
  if (overload === "bytes") {
    return encodeFunctionData({ abi, functionName: "transferWithAuthorization", args: [...terms, signature] });
  }
  const r: Hex = `0x${signature.slice(2, 66)}`;
  const s: Hex = `0x${signature.slice(66, 130)}`;
  const v = Number.parseInt(signature.slice(130), 16);
  return encodeFunctionData({ abi, functionName: "transferWithAuthorization", args: [...terms, v, r, s] });
}

function overloadFor({ signature }: SignedAuthorization): "vrs" | "bytes" {
  return signature.length === 132 ? "vrs" : "bytes";
}

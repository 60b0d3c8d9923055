import { encodeAbiParameters, type Hex, isAddressEqual, keccak256, parseAbiParameters } from "viem";
import type { Authorization } from "./types.ts";

/** The identity of an authorization: the token keeps one used flag per payer and nonce. */
export type AuthorizationIdentity = Pick<Authorization, "chainId" | "token" | "from" | "nonce">;

/**
 * The identity as text, `chainId:token:from:nonce` in lower case. At most one authorization per identity ever settles.
 */
export function authorizationId(identity: AuthorizationIdentity): string {
  return `${identity.chainId}:${identity.token}:${identity.from}:${identity.nonce}`.toLowerCase();
}

/**
 * Whether two authorizations of one identity also agree on payee, value and validity. If they do not, they are
 * variants, and the token executes whichever comes first. Signatures are not compared.
 */
export function sameTerms(a: Authorization, b: Authorization): boolean {
  return (
    authorizationId(a) === authorizationId(b) &&
    isAddressEqual(a.to, b.to) &&
    a.value === b.value &&
    a.validAfter === b.validAfter &&
    a.validBefore === b.validBefore
  );
}

const termsParameters = parseAbiParameters(
  "uint256 chainId, address token, address from, address to, uint256 value, uint256 validAfter, uint256 validBefore, bytes32 nonce",
);

/**
 * A digest of all terms, including chain and token, that tells variants apart. It is not the digest that the payer
 * signs.
 */
export function termsDigest(authorization: Authorization): Hex {
  const { chainId, token, from, to, value, validAfter, validBefore, nonce } = authorization;
  return keccak256(
    encodeAbiParameters(termsParameters, [BigInt(chainId), token, from, to, value, validAfter, validBefore, nonce]),
  );
}

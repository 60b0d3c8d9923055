import { type Hex, hashTypedData } from "viem";
import type { Authorization } from "./types.ts";

/**
 * The parts of a token's EIP-712 domain that its address and chain do not tell. Neither may be empty: viem would leave an
 * empty one out of the domain's type, and so hash something else than the token.
 */
export type TokenDomain = { readonly name: string; readonly version: string };

const transferFields = [
  { name: "from", type: "address" },
  { name: "to", type: "address" },
  { name: "value", type: "uint256" },
  { name: "validAfter", type: "uint256" },
  { name: "validBefore", type: "uint256" },
  { name: "nonce", type: "bytes32" },
] as const;

/** The three EIP-712 structs of EIP-3009, fields in the order that their type hashes fix. */
export const eip3009Types = {
  TransferWithAuthorization: transferFields,
  ReceiveWithAuthorization: transferFields,
  CancelAuthorization: [
    { name: "authorizer", type: "address" },
    { name: "nonce", type: "bytes32" },
  ],
} as const;

const transferTypes = { TransferWithAuthorization: transferFields } as const;

/** What the payer signs: the EIP-712 `TransferWithAuthorization` of `authorization`, ready for `signTypedData`. */
export function authorizationTypedData(authorization: Authorization, domain: TokenDomain) {
  const { chainId, token, from, to, value, validAfter, validBefore, nonce } = authorization;
  return {
    domain: { name: domain.name, version: domain.version, chainId, verifyingContract: token },
    types: transferTypes,
    primaryType: "TransferWithAuthorization",
    message: { from, to, value, validAfter, validBefore, nonce },
  } as const;
}

/** The EIP-712 digest that the payer signs and that the token gives to `ecrecover` or to ERC-1271. */
export function hashAuthorization(authorization: Authorization, domain: TokenDomain): Hex {
  return hashTypedData(authorizationTypedData(authorization, domain));
}

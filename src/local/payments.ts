import type { Address, Hex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { type AuthorizationSigner, randomNonce, signAuthorization } from "../authorization/sign.ts";
import type { Authorization, SignedAuthorization } from "../authorization/types.ts";
import { networks } from "../networks.ts";

/** A payment to sign on the local chain. Fields that are left out get a value that the token accepts now. */
export type PaymentTerms = {
  /** The payee. */
  readonly to: Address;
  /** Atomic units: 1 USDC is 1,000,000. */
  readonly value: bigint;
  /** Unix seconds, exclusive. Default 0: valid from the start. */
  readonly validAfter?: bigint;
  /** Unix seconds, exclusive. Default: `validForSeconds` after the chain's present time. */
  readonly validBefore?: bigint;
  /** Default 3600. */
  readonly validForSeconds?: number;
  /** Default: 32 random bytes. */
  readonly nonce?: Hex;
};

/** Signs a payment in the local chain's USDC; `nowSeconds` is the chain's time. */
export async function signPayment(
  payerKey: Hex,
  terms: PaymentTerms,
  nowSeconds: bigint,
): Promise<SignedAuthorization> {
  const { chainId } = networks.baseSepolia;
  return signTerms(privateKeyToAccount(payerKey), terms, { chainId, nowSeconds });
}

/** Signs with any signer, for a chain with any id that has the local chain's USDC. */
export async function signTerms(
  payer: AuthorizationSigner,
  terms: PaymentTerms,
  { chainId, nowSeconds }: { readonly chainId: number; readonly nowSeconds: bigint },
): Promise<SignedAuthorization> {
  const { usdc } = networks.baseSepolia;
  const authorization: Authorization = {
    chainId,
    token: usdc.address,
    from: "account" in payer ? payer.account.address : payer.address,
    to: terms.to,
    value: terms.value,
    validAfter: terms.validAfter ?? 0n,
    validBefore: terms.validBefore ?? nowSeconds + BigInt(terms.validForSeconds ?? 3600),
    nonce: terms.nonce ?? randomNonce(),
  };
  return signAuthorization(payer, { authorization, domain: usdc });
}

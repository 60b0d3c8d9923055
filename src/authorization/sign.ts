import {
  type Account,
  type Address,
  bytesToHex,
  type Chain,
  type Hex,
  isAddressEqual,
  type LocalAccount,
  type Transport,
  type WalletClient,
} from "viem";
import { TributaryError } from "../errors.ts";
import type { TokenDomain } from "../networks.ts";
import { normaliseSignature } from "./signature.ts";
import { authorizationTypedData } from "./typedData.ts";
import type { Authorization, SignedAuthorization } from "./types.ts";

/** Anything of viem that signs typed data: a local account, a smart account, or a wallet client that has an account. */
export type AuthorizationSigner =
  | Pick<LocalAccount, "address" | "signTypedData">
  | WalletClient<Transport, Chain | undefined, Account>;

/** The signer is not the payer that the authorization names. */
export class SignerMismatchError extends TributaryError {
  override readonly name = "SignerMismatchError";

  constructor(signer: Address, payer: Address) {
    super(`The signer ${signer} is not the payer ${payer}.`, {
      hint: "Sign with the account that the field `from` names.",
    });
  }
}

/** What a payer signs. */
export type SignAuthorizationOptions = {
  /** The terms. `from` is the signer's address. */
  readonly authorization: Authorization;
  /** The token's EIP-712 domain. A wrong name or version makes a signature that the token refuses. */
  readonly domain: TokenDomain;
};

/**
 * Signs an authorization (EIP-3009) as its payer. The signature is an account's 65 bytes `r ‖ s ‖ v` with v 27 or 28,
 * or whatever a smart account makes.
 *
 * @throws SignerMismatchError if the signer's address is not `authorization.from`.
 */
export async function signAuthorization(
  signer: AuthorizationSigner,
  { authorization, domain }: SignAuthorizationOptions,
): Promise<SignedAuthorization> {
  const address = "account" in signer ? signer.account.address : signer.address;
  if (!isAddressEqual(address, authorization.from)) throw new SignerMismatchError(address, authorization.from);
  const typedData = authorizationTypedData(authorization, domain);
  const signature =
    "account" in signer
      ? await signer.signTypedData({ account: signer.account, ...typedData })
      : await signer.signTypedData(typedData);
  return { ...authorization, signature: normaliseSignature(signature) };
}

/** A fresh EIP-3009 nonce: 32 bytes from the system's cryptographic generator. */
export function randomNonce(): Hex {
  return bytesToHex(crypto.getRandomValues(new Uint8Array(32)));
}

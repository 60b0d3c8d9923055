import type { Address, Hex } from "viem";

/**
 * The terms of an EIP-3009 `transferWithAuthorization`, bound to the token contract that may execute them. Addresses
 * are checksummed (EIP-55), `value` is in the token's atomic units, and times are Unix seconds. Both bounds are
 * exclusive: the token accepts it while `validAfter < block.timestamp < validBefore`.
 */
export type Authorization = {
  readonly chainId: number;
  readonly token: Address;
  readonly from: Address;
  readonly to: Address;
  readonly value: bigint;
  readonly validAfter: bigint;
  readonly validBefore: bigint;
  /** 32 bytes chosen by the payer. Not an account's transaction nonce, which is `txNonce` here. */
  readonly nonce: Hex;
};

/**
 * An authorization with the payer's signature over its EIP-712 digest: 65 bytes `r ‖ s ‖ v` of an account without code,
 * or whatever an ERC-1271 account accepts (including an ERC-6492 wrapper, before it is unwrapped).
 */
export type SignedAuthorization = Authorization & { readonly signature: Hex };

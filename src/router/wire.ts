import type { Hex } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";

/**
 * The packed batch format, version 1, in which {@link https://eips.ethereum.org/EIPS/eip-3009
 * EIP-3009} authorizations are sent to the router. contracts/interfaces/ISettlementRouter.sol describes it to the bit.
 */
export const WIRE_VERSION = 1;
export const HEADER_BYTES = 5;
export const PAYEE_BYTES = 20;
export const COMPACT_BYTES = 134;
/** The length of a wide item without its signature. */
export const WIDE_BYTES = 156;

export const WIDE_BIT = 0x8000;
/** In a compact item, the parity of v. In a wide item, whether it is for the (v, r, s) overload. */
export const SIGNATURE_BIT = 0x4000;
export const RESERVED_BITS = 0x3000;
export const PAYEE_MASK = 0x0fff;

/** The most that the format can count: payees in one table, and items in one batch. */
export const MAX_PAYEES = 4096;
export const MAX_ITEMS = 65_535;
/** The length of a signature `r ‖ s ‖ v`. */
export const ECDSA_SIGNATURE_BYTES = 65;
/** The longest signature of a wide item, in bytes. */
export const MAX_SIGNATURE_BYTES = 8192;

/**
 * The gas that the router wants to have left in addition to an item's allowance (and a 63rd of that) before it starts
 * the item. `RESERVE_GAS` of the contract.
 */
export const ROUTER_RESERVE_GAS = 20_000n;

/**
 * An authorization in the form in which it is sent. A compact item uses the batch's gas allowance. A wide one has its
 * own and names the token's overload: `vrs` takes a 65-byte signature, `bytes` any.
 */
export type RouterItem =
  | { readonly form: "compact"; readonly authorization: SignedAuthorization }
  | {
      readonly form: "wide";
      readonly authorization: SignedAuthorization;
      readonly gasAllowance: bigint;
      readonly overload: "vrs" | "bytes";
    };

/** The arguments of `SettlementRouter.settle`. */
export type SettleCall = {
  readonly token: Hex;
  /** 32 bytes. A label without authority. */
  readonly batchId: Hex;
  /** The most gas that each compact item may use. */
  readonly gasAllowance: bigint;
  readonly items: readonly RouterItem[];
};

const MAX_U32 = 0xffff_ffffn;
const MAX_U64 = 0xffff_ffff_ffff_ffffn;

/** Whether a signature is 65 bytes `r ‖ s ‖ v` with v 27 or 28, the only kind that the compact form can carry. */
export function isEcdsaSignature(signature: Hex): boolean {
  return signature.length === 132 && /1[bc]$/i.test(signature);
}

/**
 * Whether the compact form can carry an authorization. The caller must know that the payer has no code. The token asks
 * a payer with code through either overload, but such a payer needs an allowance of its own, so it gets the wide form.
 */
export function fitsCompact(authorization: SignedAuthorization): boolean {
  const { value, validAfter, validBefore, signature } = authorization;
  const inRange = isWithin(value, MAX_U64) && isWithin(validAfter, MAX_U32) && isWithin(validBefore, MAX_U32);
  return inRange && isEcdsaSignature(signature);
}

function isWithin(value: bigint, most: bigint): boolean {
  return value >= 0n && value <= most;
}

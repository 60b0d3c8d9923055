import type { Hex } from "viem";

/**
 * Gas prices of the EVM from Cancun to Osaka that the model uses: EIP-2929 (cold and warm), EIP-3529 (refunds),
 * EIP-2028 (calldata), EIP-7623 (calldata floor). They are small, so they are plain numbers; sums are returned as
 * bigint.
 */
const TRANSACTION_BASE_GAS = 21_000;
const ZERO_BYTE_GAS = 4;
const NON_ZERO_BYTE_GAS = 16;
export const COLD_ACCOUNT_SURCHARGE = 2_500;
export const COLD_SLOT_SURCHARGE = 2_000;
/** SSTORE on a slot that the transaction already changed, or that keeps its value. */
export const SSTORE_WARM_GAS = 100;
/** SSTORE that changes a slot for the first time, from zero, without the cold surcharge. */
export const SSTORE_SET_GAS = 20_000;
/** SSTORE that changes a slot for the first time, from another value, without the cold surcharge. */
export const SSTORE_RESET_GAS = 2_900;
export const CLEAR_REFUND = 4_800;
/** Refunds are capped at this part of the gas used. */
const REFUND_QUOTIENT = 5;
/** EIP-7825: the most gas that one transaction may ask for. */
export const MAX_TRANSACTION_GAS = 2n ** 24n;

/** How many bytes of calldata are zero and how many are not. The price depends on nothing else. */
export type CalldataBytes = { readonly zero: number; readonly nonZero: number };

/** The length in bytes of a known hex string: viem's `size` looks at every character. */
export function byteLength(data: Hex): number {
  return (data.length - 2) / 2;
}

/** Counts the zero and other bytes of calldata (or of any hex). */
export function countBytes(data: Hex): CalldataBytes {
  const zero = countZeroBytes(data);
  return { zero, nonZero: byteLength(data) - zero };
}

/** Zero bytes of a hex string, from byte `start` up to but not including byte `end`. */
export function countZeroBytes(data: Hex, start = 0, end = byteLength(data)): number {
  let zero = 0;
  // 48 is "0". Character codes, because this runs over every byte of a million authorizations.
  for (let at = 2 + 2 * start; at < 2 + 2 * end; at += 2) {
    if (data.charCodeAt(at) === 48 && data.charCodeAt(at + 1) === 48) zero += 1;
  }
  return zero;
}

/** Zero bytes of an unsigned integer written big-endian in `width` bytes. */
export function countZeroBytesOf(value: bigint, width: number): number {
  let nonZero = 0;
  let rest = value;
  while (rest > 0xffff_ffffn) {
    nonZero += nonZeroBytesOfWord(Number(rest & 0xffff_ffffn));
    rest >>= 32n;
  }
  return width - nonZero - nonZeroBytesOfWord(Number(rest));
}

function nonZeroBytesOfWord(word: number): number {
  return (
    Number((word & 0xff) !== 0) +
    Number((word & 0xff00) !== 0) +
    Number((word & 0xff0000) !== 0) +
    Number((word & 0xff000000) !== 0)
  );
}

/** Gas that a transaction without an access list pays before its first opcode. */
export function intrinsicGas({ zero, nonZero }: CalldataBytes): number {
  return TRANSACTION_BASE_GAS + ZERO_BYTE_GAS * zero + NON_ZERO_BYTE_GAS * nonZero;
}

/** The least that a transaction with this calldata uses, whatever it executes (EIP-7623). */
export function calldataFloorGas({ zero, nonZero }: CalldataBytes): number {
  return TRANSACTION_BASE_GAS + 10 * (zero + 4 * nonZero);
}

/** The gas limit that a transaction needs to have `executionGas` for its opcodes, and to be valid at all. */
export function gasLimitFor(calldata: CalldataBytes, executionGas: number): number {
  return Math.max(intrinsicGas(calldata) + executionGas, calldataFloorGas(calldata));
}

/** Gas that a transaction is charged, given what it spent and the refunds that it earned (EIP-3529, EIP-7623). */
export function chargedGas(calldata: CalldataBytes, spent: number, refund: number): number {
  const afterRefund = spent - Math.min(refund, Math.floor(spent / REFUND_QUOTIENT));
  return Math.max(afterRefund, calldataFloorGas(calldata));
}

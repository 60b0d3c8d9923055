import type { Address, Hex } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import {
  COMPACT_BYTES,
  HEADER_BYTES,
  PAYEE_BYTES,
  PAYEE_MASK,
  type RouterItem,
  SIGNATURE_BIT,
  WIDE_BYTES,
} from "../router/wire.ts";
import { byteLength, type CalldataBytes, countZeroBytes, countZeroBytesOf } from "./evm.ts";

// Counts the calldata that the encoder will write, without writing it: a planner asks for a million items.

const SELECTOR_BYTES = 4;
const WORD_BYTES = 32;
const HEAD_BYTES = 2;

/** Bytes of one item in the router's format, without its head (which holds the payee's index in the table). */
export function itemBytes(item: RouterItem): CalldataBytes {
  const { authorization } = item;
  const { from, value, validAfter, validBefore, nonce, signature } = authorization;
  const common = countZeroBytes(from) + countZeroBytes(nonce);
  if (item.form === "compact") {
    const times = countZeroBytesOf(validAfter, 4) + countZeroBytesOf(validBefore, 4);
    const zero = common + countZeroBytesOf(value, 8) + times + countZeroBytes(signature, 0, 64);
    return { zero, nonZero: COMPACT_BYTES - HEAD_BYTES - zero };
  }
  const length = byteLength(signature);
  const times = countZeroBytesOf(validAfter, 32) + countZeroBytesOf(validBefore, 32);
  const lengths = countZeroBytesOf(item.gasAllowance, 4) + countZeroBytesOf(BigInt(length), 2);
  const zero = common + countZeroBytesOf(value, 32) + times + lengths + countZeroBytes(signature);
  return { zero, nonZero: WIDE_BYTES - HEAD_BYTES + length - zero };
}

/**
 * Bytes of a whole call of the router, given the sum of {@link itemBytes} over its items. The batch id is chosen later,
 * so it counts as 32 bytes that are not zero.
 */
export function routerCalldata(
  call: { readonly token: Address; readonly gasAllowance: bigint; readonly items: readonly RouterItem[] },
  items: CalldataBytes,
): CalldataBytes {
  const payees = new Map<string, number>();
  let zero = items.zero;
  for (const item of call.items) {
    const to = item.authorization.to.toLowerCase();
    let payee = payees.get(to);
    if (payee === undefined) {
      payee = payees.size;
      payees.set(to, payee);
      zero += countZeroBytes(item.authorization.to);
    }
    zero += zeroBytesOfHead(item, payee);
  }
  const payload =
    HEADER_BYTES + payees.size * PAYEE_BYTES + call.items.length * HEAD_BYTES + items.zero + items.nonZero;
  const padding = (WORD_BYTES - (payload % WORD_BYTES)) % WORD_BYTES;
  zero += countZeroBytesOf(BigInt(payees.size), 2) + countZeroBytesOf(BigInt(call.items.length), 2) + padding;
  // Arguments: token, batch id, gas allowance, offset of the batch (0x80), length of the batch.
  zero += 12 + countZeroBytes(call.token) + countZeroBytesOf(call.gasAllowance, WORD_BYTES);
  zero += WORD_BYTES - 1 + countZeroBytesOf(BigInt(payload), WORD_BYTES);
  const total = SELECTOR_BYTES + 5 * WORD_BYTES + payload + padding;
  return { zero, nonZero: total - zero };
}

/** An upper bound on the bytes that {@link routerCalldata} adds to those of the items, the payees and the heads. */
export const ROUTER_CALL_BYTES = SELECTOR_BYTES + 5 * WORD_BYTES + HEADER_BYTES + WORD_BYTES;

/** Bytes of a call of the token's own `transferWithAuthorization`. */
export function directCalldata(authorization: SignedAuthorization, overload: "vrs" | "bytes"): CalldataBytes {
  const { from, to, value, validAfter, validBefore, nonce, signature } = authorization;
  let zero = 2 * 12 + countZeroBytes(from) + countZeroBytes(to) + countZeroBytes(nonce) + countZeroBytes(signature);
  for (const word of [value, validAfter, validBefore]) zero += countZeroBytesOf(word, WORD_BYTES);
  if (overload === "vrs") {
    // v has a word of its own.
    return { zero: zero + WORD_BYTES - 1, nonZero: SELECTOR_BYTES + 9 * WORD_BYTES - zero - (WORD_BYTES - 1) };
  }
  const length = byteLength(signature);
  const padding = (WORD_BYTES - (length % WORD_BYTES)) % WORD_BYTES;
  zero += WORD_BYTES - 1 + countZeroBytesOf(BigInt(length), WORD_BYTES) + padding;
  return { zero, nonZero: SELECTOR_BYTES + 8 * WORD_BYTES + length + padding - zero };
}

function zeroBytesOfHead(item: RouterItem, payee: number): number {
  const low = payee & 0xff;
  if (item.form === "wide") return Number(low === 0);
  const high = ((payee & PAYEE_MASK) >> 8) | (isOdd(item.authorization.signature) ? SIGNATURE_BIT >> 8 : 0);
  return Number(low === 0) + Number(high === 0);
}

function isOdd(signature: Hex): boolean {
  const last = signature.charCodeAt(signature.length - 1);
  return last === 99 || last === 67; // 1c or 1C: v is 28
}

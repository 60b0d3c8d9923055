import { type Address, concatHex, encodeFunctionData, type Hex, isAddress, numberToHex, size } from "viem";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { RouterEncodingError } from "./errors.ts";
import {
  COMPACT_BYTES,
  ECDSA_SIGNATURE_BYTES,
  fitsCompact,
  MAX_ITEMS,
  MAX_PAYEES,
  MAX_SIGNATURE_BYTES,
  type RouterItem,
  type SettleCall,
  SIGNATURE_BIT,
  WIDE_BIT,
  WIDE_BYTES,
  WIRE_VERSION,
} from "./wire.ts";

/**
 * Calldata of `SettlementRouter.settle`.
 * @throws RouterEncodingError if an item belongs to another token or does not fit its form, or there are none or too many.
 */
export function encodeSettle(call: SettleCall): Hex {
  for (const [index, { authorization }] of call.items.entries()) {
    if (authorization.token.toLowerCase() !== call.token.toLowerCase()) {
      throw new RouterEncodingError(`Item ${index} is for token ${authorization.token}, the batch for ${call.token}.`, {
        hint: "A batch carries authorizations of one token: make a batch for each.",
      });
    }
  }
  return encodeFunctionData({
    abi: settlementRouterArtifact.abi,
    functionName: "settle",
    args: [call.token, call.batchId, call.gasAllowance, encodeBatch(call.items)],
  });
}

/**
 * Packs items into the router's batch format, payees in the order in which they first appear.
 * @throws RouterEncodingError if a count or an item is beyond the format.
 */
export function encodeBatch(items: readonly RouterItem[]): Hex {
  if (items.length === 0) throw new RouterEncodingError("A batch needs at least one item.");
  if (items.length > MAX_ITEMS) throw tooMany("items", items.length, MAX_ITEMS);

  const payees = new Map<Address, number>();
  const encoded: Hex[] = [];
  for (const [index, item] of items.entries()) {
    const to = item.authorization.to.toLowerCase();
    if (!isAddress(to)) throw new RouterEncodingError(`Item ${index} has the payee ${to}, which is not an address.`);
    const payee = payees.get(to) ?? payees.size;
    payees.set(to, payee);
    encoded.push(item.form === "compact" ? encodeCompact(item, index, payee) : encodeWide(item, index, payee));
  }
  if (payees.size > MAX_PAYEES) throw tooMany("payees", payees.size, MAX_PAYEES);

  const header = concatHex([u(WIRE_VERSION, 1), u(payees.size, 2), u(items.length, 2)]);
  return concatHex([header, ...payees.keys(), ...encoded]);
}

function encodeCompact(item: RouterItem & { form: "compact" }, index: number, payee: number): Hex {
  const { authorization } = item;
  if (!fitsCompact(authorization)) {
    throw new RouterEncodingError(`Item ${index} does not fit the compact form.`, {
      hint: "Values from 2^64, times from 2^32 and signatures other than r ‖ s ‖ v (v 27 or 28) travel in the wide form.",
    });
  }
  const signature = authorization.signature.slice(2);
  const parity = signature.toLowerCase().endsWith("1c") ? SIGNATURE_BIT : 0;
  const fields = [
    u(payee | parity, 2),
    authorization.from,
    u(authorization.value, 8),
    u(authorization.validAfter, 4),
    u(authorization.validBefore, 4),
    authorization.nonce,
    `0x${signature.slice(0, 128)}` as const,
  ];
  return join(fields, COMPACT_BYTES, index);
}

function encodeWide(item: RouterItem & { form: "wide" }, index: number, payee: number): Hex {
  const { authorization, gasAllowance, overload } = item;
  const length = size(authorization.signature);
  if (gasAllowance < 0n || gasAllowance > 0xffff_ffffn) {
    throw new RouterEncodingError(`Item ${index} has a gas allowance of ${gasAllowance}, beyond 32 bits.`);
  }
  if (overload === "vrs" ? length !== ECDSA_SIGNATURE_BYTES : length > MAX_SIGNATURE_BYTES) {
    const allowed = overload === "vrs" ? `exactly ${ECDSA_SIGNATURE_BYTES}` : `at most ${MAX_SIGNATURE_BYTES}`;
    throw new RouterEncodingError(`Item ${index} has a signature of ${length} bytes; it takes ${allowed}.`);
  }
  if (![authorization.value, authorization.validAfter, authorization.validBefore].every(isU256)) {
    throw new RouterEncodingError(`Item ${index} has a value or a time beyond 256 bits.`);
  }
  const fields = [
    u(payee | WIDE_BIT | (overload === "vrs" ? SIGNATURE_BIT : 0), 2),
    u(gasAllowance, 4),
    authorization.from,
    u(authorization.value, 32),
    u(authorization.validAfter, 32),
    u(authorization.validBefore, 32),
    authorization.nonce,
    u(length, 2),
    authorization.signature,
  ];
  return join(fields, WIDE_BYTES + length, index);
}

/** Joins the fields of an item. One field of the wrong size would shift all fields after it. */
function join(fields: readonly Hex[], length: number, index: number): Hex {
  const item = concatHex(fields);
  if (size(item) === length && item.length % 2 === 0) return item;
  throw new RouterEncodingError(`Item ${index} has an address or a nonce of the wrong size.`, {
    hint: "Addresses take 20 bytes, nonces 32.",
  });
}

function isU256(value: bigint): boolean {
  return value >= 0n && value < 1n << 256n;
}

function u(value: number | bigint, bytes: number): Hex {
  return numberToHex(value, { size: bytes });
}

function tooMany(what: string, count: number, maximum: number): RouterEncodingError {
  return new RouterEncodingError(`A batch of ${count} ${what} is beyond the format's ${maximum}.`, {
    hint: "Split the batch.",
  });
}

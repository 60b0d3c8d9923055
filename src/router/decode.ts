import { type Address, bytesToBigInt, bytesToHex, decodeFunctionData, getAddress, type Hex, hexToBytes } from "viem";
import type { SignedAuthorization } from "../authorization/types.ts";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { RouterDecodingError } from "./errors.ts";
import {
  COMPACT_BYTES,
  ECDSA_SIGNATURE_BYTES,
  HEADER_BYTES,
  MAX_SIGNATURE_BYTES,
  PAYEE_BYTES,
  PAYEE_MASK,
  RESERVED_BITS,
  type RouterItem,
  type SettleCall,
  SIGNATURE_BIT,
  WIDE_BIT,
  WIDE_BYTES,
  WIRE_VERSION,
} from "./wire.ts";

/**
 * Reads calldata of `SettlementRouter.settle` on the chain `chainId`.
 * @throws RouterDecodingError if it is no such call or the batch is malformed (the router would have reverted).
 */
export function decodeSettle(data: Hex, chainId: number): SettleCall {
  const [token, batchId, gasAllowance, batch] = decodeArguments(data);
  return { token, batchId, gasAllowance, items: decodeBatch(batch, { chainId, token }) };
}

function decodeArguments(data: Hex): readonly [Address, Hex, bigint, Hex] {
  try {
    return decodeFunctionData({ abi: settlementRouterArtifact.abi, data }).args;
  } catch (cause) {
    throw new RouterDecodingError("The calldata is not a call of SettlementRouter.settle.", { cause });
  }
}

/**
 * Unpacks a batch into its items, the inverse of `encodeBatch`.
 * @throws RouterDecodingError if the router would have reverted because a version, length, count, index or reserved bit
 * is wrong.
 */
export function decodeBatch(batch: Hex, context: { chainId: number; token: Address }): RouterItem[] {
  const bytes = hexToBytes(batch);
  const need = (end: number) => {
    if (bytes.length < end) throw new RouterDecodingError(`The batch ends at byte ${bytes.length}, before ${end}.`);
  };
  const take = (from: number, length: number): Uint8Array => {
    need(from + length);
    return bytes.subarray(from, from + length);
  };
  const u = (from: number, length: number): bigint => bytesToBigInt(take(from, length));

  const version = Number(u(0, 1));
  if (version !== WIRE_VERSION) throw new RouterDecodingError(`The batch has version ${version}, not ${WIRE_VERSION}.`);
  const payeeCount = Number(u(1, 2));
  const itemCount = Number(u(3, 2));
  if (itemCount === 0) throw new RouterDecodingError("The batch has no items.");

  const payees = Array.from({ length: payeeCount }, (_, i) =>
    address(take(HEADER_BYTES + i * PAYEE_BYTES, PAYEE_BYTES)),
  );
  const items: RouterItem[] = [];
  let at = HEADER_BYTES + payeeCount * PAYEE_BYTES;
  for (let index = 0; index < itemCount; index += 1) {
    const head = Number(u(at, 2));
    if ((head & RESERVED_BITS) !== 0) throw new RouterDecodingError(`Item ${index} has a reserved bit set.`);
    const to = payees[head & PAYEE_MASK];
    if (to === undefined) {
      throw new RouterDecodingError(`Item ${index} names payee ${head & PAYEE_MASK} of ${payeeCount}.`);
    }
    const item = (head & WIDE_BIT) === 0 ? compact(at, head, to) : wide(at, head, to, index);
    items.push(item);
    at += item.form === "compact" ? COMPACT_BYTES : WIDE_BYTES + (item.authorization.signature.length - 2) / 2;
  }
  if (at !== bytes.length)
    throw new RouterDecodingError(`The batch has ${bytes.length - at} bytes after its last item.`);
  return items;

  function compact(at: number, head: number, to: Address): RouterItem {
    need(at + COMPACT_BYTES);
    const v = (head & SIGNATURE_BIT) === 0 ? "1b" : "1c";
    const authorization: SignedAuthorization = {
      ...context,
      from: address(take(at + 2, 20)),
      to,
      value: u(at + 22, 8),
      validAfter: u(at + 30, 4),
      validBefore: u(at + 34, 4),
      nonce: bytesToHex(take(at + 38, 32)),
      signature: `${bytesToHex(take(at + 70, 64))}${v}`,
    };
    return { form: "compact", authorization };
  }

  function wide(at: number, head: number, to: Address, index: number): RouterItem {
    need(at + WIDE_BYTES);
    const overload = (head & SIGNATURE_BIT) === 0 ? "bytes" : "vrs";
    const length = Number(u(at + 154, 2));
    if (overload === "vrs" ? length !== ECDSA_SIGNATURE_BYTES : length > MAX_SIGNATURE_BYTES) {
      throw new RouterDecodingError(`Item ${index} has a signature of ${length} bytes, which its form does not take.`);
    }
    const authorization: SignedAuthorization = {
      ...context,
      from: address(take(at + 6, 20)),
      to,
      value: u(at + 26, 32),
      validAfter: u(at + 58, 32),
      validBefore: u(at + 90, 32),
      nonce: bytesToHex(take(at + 122, 32)),
      signature: bytesToHex(take(at + WIDE_BYTES, length)),
    };
    return { form: "wide", authorization, gasAllowance: u(at + 2, 4), overload };
  }
}

function address(bytes: Uint8Array): Address {
  return getAddress(bytesToHex(bytes));
}

import fc from "fast-check";
import { type Address, getAddress, type Hex, maxUint256 } from "viem";
import { MAX_SIGNATURE_BYTES, type RouterItem } from "../../src/router/wire.ts";

export const TOKEN: Address = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
export const CHAIN_ID = 84532;

export const hexOf = (minBytes: number, maxBytes = minBytes): fc.Arbitrary<Hex> =>
  fc
    .uint8Array({ minLength: minBytes, maxLength: maxBytes })
    .map((bytes): Hex => `0x${Buffer.from(bytes).toString("hex")}`);

const address = hexOf(20).map((hex) => getAddress(hex));

/** Any number of this many bits; small ones and the largest are as frequent as others. */
function uint(bits: bigint): fc.Arbitrary<bigint> {
  const most = (1n << bits) - 1n;
  return fc.oneof(fc.bigInt(0n, 1000n), fc.bigInt(0n, most), fc.constant(most));
}

/** Any item that the format carries, to one of `payees`. Its signature need not be valid. */
export function anyItem(payees: readonly Address[], token = TOKEN, chainId = CHAIN_ID): fc.Arbitrary<RouterItem> {
  const common = {
    chainId: fc.constant(chainId),
    token: fc.constant(token),
    from: address,
    to: fc.constantFrom(...payees),
  };
  const ecdsa = fc.tuple(hexOf(64), fc.constantFrom("1b", "1c")).map(([rs, v]): Hex => `${rs}${v}` as Hex);
  const compact = fc
    .record({
      ...common,
      value: uint(64n),
      validAfter: uint(32n),
      validBefore: uint(32n),
      nonce: hexOf(32),
      signature: ecdsa,
    })
    .map((authorization): RouterItem => ({ form: "compact", authorization }));

  const wide = (overload: "vrs" | "bytes", signature: fc.Arbitrary<Hex>) =>
    fc
      .record({
        authorization: fc.record({
          ...common,
          value: fc.oneof(uint(256n), fc.constant(maxUint256)),
          validAfter: uint(256n),
          validBefore: uint(256n),
          nonce: hexOf(32),
          signature,
        }),
        gasAllowance: fc.bigInt(0n, 0xffff_ffffn),
      })
      .map((fields): RouterItem => ({ form: "wide", overload, ...fields }));

  const anySignature = fc.oneof(hexOf(0, 200), fc.constant<Hex>(`0x${"5a".repeat(MAX_SIGNATURE_BYTES)}`));
  return fc.oneof(
    { arbitrary: compact, weight: 3 },
    { arbitrary: wide("vrs", hexOf(65)), weight: 1 },
    { arbitrary: wide("bytes", anySignature), weight: 1 },
  );
}

/** Between one and `most` items to a few payees. */
export function anyItems(most: number, token = TOKEN, chainId = CHAIN_ID): fc.Arbitrary<RouterItem[]> {
  return fc
    .uniqueArray(address, { minLength: 1, maxLength: 5 })
    .chain((payees) => fc.array(anyItem(payees, token, chainId), { minLength: 1, maxLength: most }));
}

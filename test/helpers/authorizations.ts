import { readFileSync } from "node:fs";
import fc from "fast-check";
import { type Address, type Hex, maxUint256 } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { Authorization } from "../../src/authorization/types.ts";
import { networks } from "../../src/networks.ts";

/** Account 1 of the usual test mnemonic, the payer of every vector. */
export const payerKey = "0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d";
export const payer = privateKeyToAccount(payerKey);
export const payee: Address = "0x3C44CdDdB6a900fa2b585dd299e03d12FA4293BC";
export const domain = { name: "USDC", version: "2" };

/** An ordinary authorization, except for `change`. */
export function authorizationOf(change: Partial<Authorization> = {}): Authorization {
  return {
    chainId: 84532,
    token: networks.baseSepolia.usdc.address,
    from: payer.address,
    to: payee,
    value: 1000n,
    validAfter: 0n,
    validBefore: 1_900_000_000n,
    nonce: `0x${"ab".repeat(32)}`,
    ...change,
  };
}

const hexOf = (bytes: number): fc.Arbitrary<Hex> =>
  fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((array): Hex => `0x${Buffer.from(array).toString("hex")}`);

const uint256 = fc.oneof(fc.bigInt(0n, 2n ** 32n), fc.bigInt(0n, maxUint256), fc.constant(maxUint256));

/** Any terms that the vectors' payer may sign on Base Sepolia or Base. */
export const anyAuthorization: fc.Arbitrary<Authorization> = fc
  .record({
    network: fc.constantFrom(networks.baseSepolia, networks.base),
    payeeKey: fc.bigInt(1n, 2n ** 200n),
    value: uint256,
    validAfter: uint256,
    validBefore: uint256,
    nonce: hexOf(32),
  })
  .map(({ network, payeeKey, ...rest }) => ({
    chainId: network.chainId,
    token: network.usdc.address,
    from: payer.address,
    to: privateKeyToAccount(`0x${payeeKey.toString(16).padStart(64, "0")}`).address,
    ...rest,
  }));

type Vector = {
  readonly source: string;
  readonly format: "authorization" | "x402-v1" | "x402-v2";
  readonly digest: Hex;
  readonly chainId: number;
  readonly domain: { readonly name: string; readonly version: string };
  readonly record: Readonly<Record<string, unknown>>;
  readonly header: string;
  readonly expected: {
    readonly chainId: number;
    readonly token: Address;
    readonly from: Address;
    readonly to: Address;
    readonly value: string;
    readonly validAfter: string;
    readonly validBefore: string;
    readonly nonce: Hex;
    readonly signature: Hex;
  };
};

/** Payments that other implementations signed and wrote. */
export const vectors: readonly Vector[] = JSON.parse(
  readFileSync(new URL("../vectors/authorizations.json", import.meta.url), "utf8"),
).vectors;

/** What reading a vector must give. */
export function expectedOf({ expected }: Vector) {
  return {
    ...expected,
    value: BigInt(expected.value),
    validAfter: BigInt(expected.validAfter),
    validBefore: BigInt(expected.validBefore),
  };
}

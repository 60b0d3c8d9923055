import {
  type Address,
  concatHex,
  decodeAbiParameters,
  type Hex,
  hexToBigInt,
  hexToNumber,
  numberToHex,
  parseAbiParameters,
  size,
  slice,
} from "viem";

/** Half the order of secp256k1. EIP-2 and the token refuse an `s` above it. */
const maxS = 0x7fffffffffffffffffffffffffffffff5d576e7357a4501ddfe92f46681b20a0n;

const order = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

const erc6492Suffix = "6492".repeat(16);

/** The signature of a wallet that may not be deployed yet, taken out of its ERC-6492 wrapper. */
export type Erc6492Wrapper = {
  readonly factory: Address;
  readonly factoryData: Hex;
  /** What the wallet's ERC-1271 `isValidSignature` takes once it is deployed. */
  readonly signature: Hex;
};

/**
 * Brings an ECDSA signature to the one form that the token takes, `r ‖ s ‖ v` with v 27 or 28. A v of 0 or 1 is raised,
 * and the 64-byte compact form (EIP-2098) is expanded. Anything else is returned unchanged, since it may be what an
 * ERC-1271 account wants. So use this only for an account without code.
 */
export function normaliseSignature(signature: Hex): Hex {
  const length = size(signature);
  if (length === 64) {
    const yParityAndS = hexToBigInt(slice(signature, 32, 64));
    const s = yParityAndS & ((1n << 255n) - 1n);
    const v = yParityAndS >> 255n === 0n ? 27 : 28;
    return concatHex([slice(signature, 0, 32), numberToHex(s, { size: 32 }), numberToHex(v, { size: 1 })]);
  }
  if (length === 65) {
    const v = recoveryByte(signature);
    if (v <= 1) return concatHex([slice(signature, 0, 64), numberToHex(v + 27, { size: 1 })]);
  }
  return signature;
}

/**
 * Returns the one of two equivalent signatures whose `s` is in the lower half of the order (EIP-2). Anything but 65
 * bytes with a v of 27 or 28 is returned unchanged.
 */
export function lowerS(signature: Hex): Hex {
  if (size(signature) !== 65) return signature;
  const { v, r, s } = splitSignature(signature);
  const value = hexToBigInt(s);
  if (value <= maxS || value >= order || (v !== 27 && v !== 28)) return signature;
  return concatHex([r, numberToHex(order - value, { size: 32 }), numberToHex(55 - v, { size: 1 })]);
}

/** A 65-byte signature in the three parts that the token's `(v, r, s)` overloads take. */
export function splitSignature(signature: Hex): { readonly v: number; readonly r: Hex; readonly s: Hex } {
  return { v: recoveryByte(signature), r: slice(signature, 0, 32), s: slice(signature, 32, 64) };
}

/** Why, for the token, no account without code can have made these 65 bytes; undefined if one can. */
export function findSignatureDefect(signature: Hex): "high-s" | "bad-v" | undefined {
  if (hexToBigInt(slice(signature, 32, 64)) > maxS) return "high-s";
  const v = recoveryByte(signature);
  return v === 27 || v === 28 ? undefined : "bad-v";
}

/** Whether `signature` ends with the ERC-6492 detection suffix. */
export function isErc6492(signature: Hex): boolean {
  return signature.length >= 66 && signature.slice(-64) === erc6492Suffix;
}

/** The parts of an ERC-6492 wrapper; undefined if `signature` is not one or is a broken one. */
export function unwrapErc6492(signature: Hex): Erc6492Wrapper | undefined {
  if (!isErc6492(signature)) return undefined;
  try {
    const [factory, factoryData, inner] = decodeAbiParameters(
      parseAbiParameters("address, bytes, bytes"),
      slice(signature, 0, size(signature) - 32),
    );
    return { factory, factoryData, signature: inner };
  } catch {
    return undefined;
  }
}

function recoveryByte(signature: Hex): number {
  return hexToNumber(slice(signature, 64, 65));
}

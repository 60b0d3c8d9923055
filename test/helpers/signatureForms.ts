import {
  concatHex,
  type Hex,
  hexToBigInt,
  numberToHex,
  parseSignature,
  serializeCompactSignature,
  signatureToCompactSignature,
  slice,
} from "viem";

// Other forms of a key's signature that mean the same, but that an OpenZeppelin contract refuses.

const ORDER = 0xfffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141n;

/** With the `s` in the upper half of the order. */
export function highS(signature: Hex): Hex {
  const s = numberToHex(ORDER - hexToBigInt(slice(signature, 32, 64)), { size: 32 });
  return concatHex([slice(signature, 0, 32), s, slice(signature, 64) === "0x1b" ? "0x1c" : "0x1b"]);
}

/** With a v of 0 or 1. */
export function rawV(signature: Hex): Hex {
  return concatHex([slice(signature, 0, 64), slice(signature, 64) === "0x1b" ? "0x00" : "0x01"]);
}

/** In 64 bytes, as EIP-2098 has it. */
export function compact(signature: Hex): Hex {
  return serializeCompactSignature(signatureToCompactSignature(parseSignature(signature)));
}

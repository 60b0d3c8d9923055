import { type Address, bytesToHex, type Hex, hexToBytes, keccak256, recoverAddress } from "viem";

type Secp256k1 = Pick<typeof import("tiny-secp256k1"), "recover">;

let loaded: Promise<Secp256k1 | undefined> | undefined;

/**
 * Recovers who signed a digest with 65 bytes `r ‖ s ‖ v`, v 27 or 28, as `ecrecover` does; undefined if nobody can have
 * (`r` is no point of the curve, or a part is zero or beyond the curve's order). In lower case.
 *
 * This is most of the cost of accepting a payment. libsecp256k1 as WebAssembly takes a fifth of the time of viem's
 * JavaScript. The JavaScript is used if the module cannot be loaded, for example in a bundle.
 */
export async function recoverSigner(digest: Hex, signature: Hex): Promise<Address | undefined> {
  loaded ??= import("tiny-secp256k1").catch(() => undefined);
  const secp256k1 = await loaded;
  return secp256k1 === undefined ? recoverInJavaScript(digest, signature) : recoverWith(secp256k1, digest, signature);
}

/** The same, without the module. */
export async function recoverInJavaScript(hash: Hex, signature: Hex): Promise<Address | undefined> {
  try {
    return toLowerCase(await recoverAddress({ hash, signature }));
  } catch {
    return undefined;
  }
}

function recoverWith(secp256k1: Secp256k1, digest: Hex, signature: Hex): Address | undefined {
  const bytes = hexToBytes(signature);
  try {
    const key = secp256k1.recover(hexToBytes(digest), bytes.subarray(0, 64), bytes[64] === 28 ? 1 : 0, false);
    if (key === null) return undefined;
    // An address is the end of the hash of the key's two coordinates. The key's first byte only says that there are
    // two.
    return `0x${keccak256(bytesToHex(key.subarray(1))).slice(26)}`;
  } catch {
    // The module throws if a part is zero or too large.
    return undefined;
  }
}

function toLowerCase(address: Address): Address {
  return address.toLowerCase() as Address;
}

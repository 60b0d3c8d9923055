import { bytesToHex, concat, type Hex, keccak256, stringToHex } from "viem";
import { randomNonce } from "../../authorization/sign.ts";

/** Choices for the payments that `tributary sign` makes up, by the payment's index. */
export type Choices = {
  /** A whole number from `minimum` to `maximum`, both included. */
  readonly between: (subject: string, index: number, minimum: bigint, maximum: bigint) => bigint;
  /** The EIP-3009 nonce of payment `index`. */
  readonly nonce: (index: number) => Hex;
};

/**
 * Random choices, or with a seed the same ones every time, nonces included. A seeded command that runs twice signs the
 * same payments, and each settles at most once.
 */
export function choicesFrom(seed: string | undefined): Choices {
  const root =
    seed === undefined ? bytesToHex(crypto.getRandomValues(new Uint8Array(32))) : keccak256(stringToHex(seed));
  const draw = (subject: string, index: number): Hex => keccak256(concat([root, stringToHex(`${subject}/${index}`)]));
  return {
    // 2^256 is so much larger than any range of amounts that the remainder favours none of them.
    between: (subject, index, minimum, maximum) => minimum + (BigInt(draw(subject, index)) % (maximum - minimum + 1n)),
    nonce: (index) => (seed === undefined ? randomNonce() : draw("nonce", index)),
  };
}

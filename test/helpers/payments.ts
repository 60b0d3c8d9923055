import { type Address, getAddress, type Hex, keccak256, numberToHex } from "viem";
import type { PlannablePayment } from "../../src/batch/index.ts";

export const TOKEN = getAddress("0x036cbd53842c5426634e7929541ec2318f3dcf7e");
export const CHAIN_ID = 84532;

/** Account `index`: always the same address. */
export function accountAt(index: number): Address {
  return getAddress(`0x${keccak256(numberToHex(index, { size: 32 })).slice(26)}`);
}

/** Nonce `index`: always the same 32 bytes. */
export function nonceAt(index: number): Hex {
  return keccak256(numberToHex(index, { size: 31 }));
}

/** A payment whose signature only has the right form: for code that never asks a chain. */
export function fakePayment(terms: Partial<PlannablePayment> = {}): PlannablePayment {
  const nonce = terms.nonce ?? nonceAt(0);
  return {
    chainId: CHAIN_ID,
    token: TOKEN,
    from: accountAt(1),
    to: accountAt(2),
    value: 1_000n,
    validAfter: 0n,
    validBefore: 2_000_100_000n,
    nonce,
    signature: fakeSignature(nonce),
    ...terms,
  };
}

/** 65 bytes derived from `seed`, with v 27 or 28. */
export function fakeSignature(seed: Hex): Hex {
  const r = keccak256(seed);
  const s = keccak256(r);
  return `${r}${s.slice(2)}${Number.parseInt(s.slice(-1), 16) % 2 === 0 ? "1b" : "1c"}`;
}

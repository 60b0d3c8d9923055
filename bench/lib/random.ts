import { type Address, type Hex, keccak256, numberToHex, stringToHex } from "viem";

/** 32 bytes derived from the seed and from their purpose. */
export function bytesFor(seed: number, purpose: string, index: number): Hex {
  return keccak256(stringToHex(`${seed}/${purpose}/${index}`));
}

/** An address without a key, derived from the seed. */
export function addressFor(seed: number, purpose: string, index: number): Address {
  return `0x${bytesFor(seed, purpose, index).slice(26)}`;
}

/** A value from $0.0001 to $0.05, as in micropayments. */
export function valueFor(index: number): bigint {
  return 100n + ((BigInt(index) * 7_919n) % 49_900n);
}

/** The slot of an account's balance in USDC's storage. */
export function balanceSlot(account: Address): Hex {
  const slot = numberToHex(9, { size: 32 });
  return keccak256(`0x${account.slice(2).toLowerCase().padStart(64, "0")}${slot.slice(2)}`);
}

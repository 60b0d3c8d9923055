import { pbkdf2Sync } from "node:crypto";
import { type Address, bytesToHex, type Hex } from "viem";
import { HDKey, privateKeyToAddress } from "viem/accounts";
import { LocalChainError } from "./errors.ts";

/** The mnemonic that every development node knows. Its keys are public: never use them with real money. */
export const TEST_MNEMONIC = "test test test test test test test test test test test junk";

/** An account of the local chain with its key. */
export type LocalChainAccount = { readonly address: Address; readonly privateKey: Hex };

/**
 * Accounts `first … first + count − 1` of a BIP-39 mnemonic on Ethereum's usual path m/44'/60'/0'/0/index (BIP-44). The
 * words are not checked, only their number.
 *
 * @throws LocalChainError for a number of words that no mnemonic has.
 */
export function deriveAccounts(mnemonic: string, count: number, first = 0): LocalChainAccount[] {
  const parent = HDKey.fromMasterSeed(seedOf(mnemonic)).derive("m/44'/60'/0'/0");
  return Array.from({ length: count }, (_, offset) => {
    const { privateKey } = parent.deriveChild(first + offset);
    if (privateKey === null) throw new LocalChainError("The mnemonic has no such key.");
    const key = bytesToHex(privateKey);
    return { address: privateKeyToAddress(key), privateKey: key };
  });
}

/** BIP-39, section "From mnemonic to seed". Node's own PBKDF2 takes a hundredth of the time that one in JavaScript takes. */
function seedOf(mnemonic: string): Uint8Array {
  const words = mnemonic.normalize("NFKD");
  const count = words.split(" ").length;
  if (![12, 15, 18, 21, 24].includes(count)) {
    throw new LocalChainError("A mnemonic has 12, 15, 18, 21 or 24 words.", { details: `It has ${count}.` });
  }
  return pbkdf2Sync(words, "mnemonic", 2048, 64, "sha512");
}

import * as HdKey from "ox/HdKey";
import * as Mnemonic from "ox/Mnemonic";
import type { Address, Hex } from "viem";
import { privateKeyToAddress } from "viem/accounts";

/** The mnemonic that every development node knows. Its keys are public: never use them with real money. */
export const TEST_MNEMONIC = "test test test test test test test test test test test junk";

/** An account of the local chain with its key. */
export type LocalChainAccount = { readonly address: Address; readonly privateKey: Hex };

/**
 * Accounts `first … first + count − 1` of a BIP-39 mnemonic on Ethereum's usual path m/44'/60'/0'/0/index (BIP-44).
 * The seed, which is the slow part, is computed once.
 */
export function deriveAccounts(mnemonic: string, count: number, first = 0): LocalChainAccount[] {
  const root = Mnemonic.toHdKey(mnemonic);
  return Array.from({ length: count }, (_, offset) => {
    const { privateKey } = root.derive(HdKey.path({ index: first + offset }));
    return { address: privateKeyToAddress(privateKey), privateKey };
  });
}

import { type Address, getAddress, keccak256, type LocalAccount, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { LocalChain } from "../../src/local/index.ts";

/** As tributary local does by default, and Base. */
export const BLOCK_SECONDS = 2;
export const PAYEE = getAddress(keccak256(stringToHex("tributary payee")).slice(0, 42) as Address);
/** What each buyer has beyond what it will spend: $1. */
export const SPARE = 1_000_000n;
/** The account that tributary facilitator sends from on the local chain. */
export const FACILITATOR_ACCOUNT = 19;

/** An account of the chain that has ether. */
export function accountOf({ accounts }: Pick<LocalChain, "accounts">, index: number): LocalAccount {
  const account = accounts[index];
  if (account === undefined) throw new Error(`the chain has no account ${index}`);
  return privateKeyToAccount(account.privateKey);
}

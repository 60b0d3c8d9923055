import { type Address, getAddress, keccak256, type LocalAccount, stringToHex } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { DEFAULT_FACILITATOR_POLICY, type FacilitatorPolicy } from "../src/facilitator/index.ts";
import type { LocalChain } from "../src/local/index.ts";

/** The block time of Base, which is also the default of `tributary local`. */
export const BLOCK_SECONDS = 2;
export const PAYEE = getAddress(keccak256(stringToHex("tributary payee")).slice(0, 42) as Address);
/** What each buyer has beyond what they will spend: $1. */
export const SPARE = 1_000_000n;
/**
 * The policy of the demos' facilitators. Their callers come all at once, their number is fixed, and they wait as long
 * as it takes. On a slow machine, the usual policy would refuse some of them.
 */
export const DEMO_FACILITATOR = {
  admitWithinMs: DEFAULT_FACILITATOR_POLICY.answerWithinMs,
} as const satisfies Partial<FacilitatorPolicy>;
/** The account that tributary facilitator sends from on the local chain. */
export const FACILITATOR_ACCOUNT = 19;

/** An account of the chain that has ether. */
export function accountOf({ accounts }: Pick<LocalChain, "accounts">, index: number): LocalAccount {
  const account = accounts[index];
  if (account === undefined) throw new Error(`the chain has no account ${index}`);
  return privateKeyToAccount(account.privateKey);
}

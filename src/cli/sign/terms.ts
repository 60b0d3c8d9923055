import type { Address, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { deriveAccounts } from "../../local/accounts.ts";
import type { TokenDomain } from "../../networks.ts";
import { knownTokenDomain } from "../../networks.ts";
import { UsageError } from "../exit/errors.ts";
import { mnemonicFromEnvironment } from "../options/secrets.ts";
import { namedSigner } from "../options/signer.ts";
import type { Options } from "./options.ts";

/** The smallest and the largest amount of a payment. */
export function amountRange({ amount, minAmount, maxAmount }: Options): readonly [bigint, bigint] {
  const hint = "Pass --amount, or both --min-amount and --max-amount.";
  if (amount !== undefined) {
    if (minAmount !== undefined || maxAmount !== undefined) throw new UsageError("Two amounts were given.", { hint });
    return [amount, amount];
  }
  if (minAmount === undefined || maxAmount === undefined) throw new UsageError("No amount.", { hint });
  if (minAmount > maxAmount) throw new UsageError("--min-amount is above --max-amount.", { hint });
  return [minAmount, maxAmount];
}

/** The token and its EIP-712 domain. */
export function tokenOf({ network, token = network.usdc.address, tokenName, tokenVersion }: Options): {
  readonly token: Address;
  readonly domain: TokenDomain;
} {
  const known = knownTokenDomain(network.chainId, token);
  const name = tokenName ?? known?.name;
  const version = tokenVersion ?? known?.version;
  if (name === undefined || version === undefined) {
    throw new UsageError(`The EIP-712 domain of the token ${token} is not known.`, {
      hint: "Pass --token-name and --token-version as the token states them.",
    });
  }
  return { token, domain: { name, version } };
}

/** The accounts that pay: the one of a key, or `--payers` accounts of the mnemonic. */
export async function payersOf({ keystore, payers, firstIndex }: Options): Promise<readonly LocalAccount[]> {
  const mnemonic = keystore === undefined ? mnemonicFromEnvironment() : undefined;
  const single = mnemonic === undefined ? await namedSigner(keystore) : undefined;
  if (single !== undefined) {
    if (payers === 1 && firstIndex === 0) return [single];
    throw new UsageError("--payers and --first-index need a mnemonic, and there is a single key.", {
      hint: "Set MNEMONIC in the environment.",
    });
  }
  if (mnemonic !== undefined) {
    return deriveAccounts(mnemonic, payers, firstIndex).map(({ privateKey }) => privateKeyToAccount(privateKey));
  }
  throw new UsageError("No key to sign with.", {
    hint: "Set PRIVATE_KEY or MNEMONIC in the environment, or pass --keystore FILE.",
  });
}

import type { Hex, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { isLoopbackUrl } from "../../chain/development.ts";
import { readKeystore } from "../../keystore.ts";
import { testAccount } from "../../local/testAccounts.ts";
import { networks } from "../../networks.ts";
import { asUsageAsync, UsageError } from "../exit/errors.ts";
import { notice } from "../output/output.ts";
import { privateKeyFromEnvironment, readPassphrase } from "./secrets.ts";

export type SignerOptions = {
  /** `--keystore`. */
  readonly keystore?: string | undefined;
  readonly rpcUrl: string;
  readonly chainId: number;
};

/**
 * The account that a command sends from: that of the named keystore, else of the environment's `PRIVATE_KEY`, else on a
 * local chain account 0 of the test mnemonic, with a notice. A key is never taken from the command line.
 *
 * @throws UsageError if there is none of these.
 */
export async function resolveSigner(options: SignerOptions): Promise<LocalAccount> {
  const named = await namedSigner(options.keystore);
  if (named !== undefined) return named;
  if (options.chainId === networks.baseSepolia.chainId && isLoopbackUrl(options.rpcUrl)) {
    const { address, privateKey } = testAccount(0);
    notice(`notice: no key given; sending from test account #0, ${address}`);
    return privateKeyToAccount(privateKey);
  }
  throw new UsageError("No key to sign with.", {
    hint: "Pass --keystore FILE (make one with: tributary keys new) or set PRIVATE_KEY in the environment.",
  });
}

/** The account of the named keystore, else of `PRIVATE_KEY`; undefined if there is neither. */
export async function namedSigner(keystore: string | undefined): Promise<LocalAccount | undefined> {
  const privateKey = keystore === undefined ? privateKeyFromEnvironment() : await asUsageAsync(keyIn(keystore));
  return privateKey === undefined ? undefined : privateKeyToAccount(privateKey);
}

/** The key in a file, or with `hardhat:NAME` in a variable of Hardhat's keystore. */
async function keyIn(keystore: string): Promise<Hex> {
  const name = /^hardhat:([A-Za-z_][A-Za-z0-9_]*)$/.exec(keystore)?.[1];
  if (name === undefined) return readKeystore(keystore, await readPassphrase("existing"));
  const { readHardhatKeystore } = await import("../../deploy/hardhatKeystore.ts");
  return readHardhatKeystore(name, () => readPassphrase("existing"));
}

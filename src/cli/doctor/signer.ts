import type { Address } from "viem";
import { isLoopbackUrl } from "../../chain/development.ts";
import { keystoreAddress } from "../../keystore.ts";
import { testAccount } from "../../local/testAccounts.ts";
import { asUsageAsync } from "../exit/errors.ts";
import { namedSigner } from "../options/signer.ts";

/**
 * The sending key's address; without a key, on a local chain, that of test account 0, which commands then send from.
 */
export async function signerAddress(keystore: string | undefined, rpcUrl: string): Promise<Address | undefined> {
  // Most keystores name their address, so no passphrase is needed.
  const written = keystore === undefined ? undefined : await asUsageAsync(keystoreAddress(keystore));
  if (written !== undefined) return written;
  const named = await namedSigner(keystore);
  if (named !== undefined) return named.address;
  return isLoopbackUrl(rpcUrl) ? testAccount(0).address : undefined;
}

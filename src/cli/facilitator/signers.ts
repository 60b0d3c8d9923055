import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import type { ChainClient } from "../../chain/client.ts";
import { testAccount } from "../../local/testAccounts.ts";
import { networkOf } from "../../networks.ts";
import { UsageError } from "../exit/errors.ts";
import { authorizerKeyFromEnvironment } from "../options/secrets.ts";
import { namedSigner } from "../options/signer.ts";
import type { Options } from "./options.ts";

/**
 * The test account that sends on the local chain. It has no USDC, so it is never a payer, and `fund` does not use it.
 */
const LOCAL_ACCOUNT = 19;

/** The receiver authorizer of channels; undefined if the environment does not have its key. */
export function channelAuthority(): LocalAccount | undefined {
  const key = authorizerKeyFromEnvironment();
  return key === undefined ? undefined : privateKeyToAccount(key);
}

/** The account of the keystore or of `PRIVATE_KEY`; without them, on a development chain, a test account. */
export async function senderOf(options: Options, client: ChainClient, isDevelopment: boolean): Promise<LocalAccount> {
  const named = await namedSigner(options.keystore);
  if (named !== undefined) return named;
  if (isDevelopment) return privateKeyToAccount(testAccount(LOCAL_ACCOUNT).privateKey);
  throw new UsageError(`No key to send from on ${networkOf(client.chain.id)?.title ?? `chain ${client.chain.id}`}.`, {
    hint: "Pass --keystore FILE (make one with: tributary keys new) or set PRIVATE_KEY in the environment.",
  });
}

import type { LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../chain/client.ts";
import { isDevelopmentChain } from "../../../chain/development.ts";
import { testAccount } from "../../../local/testAccounts.ts";
import type { Network } from "../../../networks.ts";
import { UsageError } from "../../exit/errors.ts";
import { namedSigner } from "../../options/signer.ts";
import { notice } from "../../output/output.ts";
import type { Options } from "./options.ts";

/** The test account that pays on the local chain: it has USDC. */
const LOCAL_PAYER = 1;

/** The account of the keystore or of `PRIVATE_KEY`; without them, if the local chain runs, a test account on it. */
export async function payerOf({ keystore, rpcUrl }: Options, network: Network): Promise<LocalAccount> {
  const named = await namedSigner(keystore);
  if (named !== undefined) return named;
  const client = await connectChain(rpcUrl).catch(() => undefined);
  if (client?.chain.id === network.chainId && (await isDevelopmentChain(client, rpcUrl))) {
    const { address, privateKey } = testAccount(LOCAL_PAYER);
    notice(`notice: no key given; paying from test account #${LOCAL_PAYER}, ${address}`);
    return privateKeyToAccount(privateKey);
  }
  throw new UsageError("No key to pay with; nothing was paid.", {
    hint: "Pass --keystore FILE (make one with: tributary keys new) or set PRIVATE_KEY in the environment.",
  });
}

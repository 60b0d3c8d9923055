import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { ChainClient } from "../chain/client.ts";
import { isDevelopmentChain } from "../chain/development.ts";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { ROUTER_ADDRESS } from "../deployment.ts";
import { networkOf } from "../networks.ts";
import { VerificationFailedError } from "./errors.ts";
import { loadVerification, PACKAGE_FOLDER } from "./plugins.ts";

/** How to have the router's source code verified. */
export type VerifyRouterOptions = {
  /** The node's URL: Hardhat connects by itself. */
  readonly rpcUrl: string;
  /** Etherscan's API key (one for all its chains). */
  readonly apiKey?: string | undefined;
  /** The API of an explorer other than Etherscan that speaks Etherscan's protocol. */
  readonly apiUrl?: string;
  /** Folder of a checkout of this repository. Default: the package that this file belongs to. */
  readonly checkout?: string;
};

/** Whether the explorer has the router's source code now, or why it was not asked. */
export type VerificationOutcome =
  | { readonly status: "verified"; readonly url: string }
  | { readonly status: "skipped"; readonly reason: string };

const SOURCE = "contracts/SettlementRouter.sol";

/**
 * Has the explorer verify the router's source code, compiled from the checkout into a temporary folder. Hardhat reports
 * its progress on `console.log`.
 *
 * @throws IgnitionUnavailableError if Hardhat is missing; VerificationFailedError if the explorer refuses.
 */
export async function verifyRouter(client: ChainClient, options: VerifyRouterOptions): Promise<VerificationOutcome> {
  const { rpcUrl, apiKey, apiUrl, checkout = PACKAGE_FOLDER } = options;
  const chainId = client.chain.id;
  const network = networkOf(chainId);
  const skipped = (reason: string) => ({ status: "skipped", reason }) as const;
  if (apiUrl === undefined && (await isDevelopmentChain(client, rpcUrl))) {
    return skipped("a development chain has no explorer");
  }
  if (network?.explorerUrl === undefined) return skipped(`no explorer is known for chain ${chainId}`);
  if (apiKey === undefined || apiKey === "") return skipped("the explorer's API key is missing");
  const configFile = join(checkout, "hardhat.config.ts");
  if (!existsSync(configFile) || !existsSync(join(checkout, SOURCE))) {
    return skipped("it needs a checkout of the repository, with hardhat.config.ts and contracts/");
  }

  const { createHardhatRuntimeEnvironment, importUserConfig, plugins, verifyContract } = await loadVerification();
  const folder = mkdtempSync(join(tmpdir(), "tributary-verify-"));
  try {
    const { solidity } = await importUserConfig(configFile);
    const environment = await createHardhatRuntimeEnvironment(
      {
        plugins,
        ...(solidity === undefined ? {} : { solidity }),
        paths: { artifacts: join(folder, "artifacts"), cache: join(folder, "cache") },
        networks: { target: { type: "http", chainId, url: rpcUrl } },
        verify: { etherscan: { apiKey } },
        ...(apiUrl === undefined ? {} : { chainDescriptors: descriptors(chainId, network.explorerUrl, apiUrl) }),
      },
      { network: "target" },
      checkout,
    );
    const build = environment.tasks.getTask("build");
    await build.run({ quiet: true, noTests: true, files: [join(checkout, SOURCE)], defaultBuildProfile: "production" });
    const built = await environment.artifacts.readArtifact(`${SOURCE}:SettlementRouter`);
    if (built.bytecode !== settlementRouterArtifact.bytecode) {
      return skipped("the checkout's sources are of another version than the router that was deployed");
    }
    await verifyContract({ address: ROUTER_ADDRESS, contract: `${SOURCE}:SettlementRouter` }, environment);
    return { status: "verified", url: `${network.explorerUrl}/address/${ROUTER_ADDRESS}#code` };
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new VerificationFailedError("The explorer did not verify the router's source code.", {
      details: redact(message, apiKey, rpcUrl),
      hint: "The router works all the same. Check the API key, then verify again.",
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function descriptors(chainId: number, url: string, apiUrl: string) {
  return { [chainId]: { name: "target", blockExplorers: { etherscan: { url, apiUrl } } } };
}

function redact(message: string, apiKey: string, rpcUrl: string): string {
  return message
    .replaceAll(apiKey, "…")
    .replaceAll(rpcUrl, new URL(rpcUrl).origin)
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");
}

import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { LocalAccount } from "viem";
import { type ChainClient, connectChain } from "../../chain/client.ts";
import { isDevelopmentChain } from "../../chain/development.ts";
import { readRouterCode } from "../../chain/facts/routerCode.ts";
import { DeploymentRefusedError, deployRouter, estimateDeployment, type RouterDeployment } from "../../deploy/index.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import { formatEtherBriefly } from "../../money.ts";
import { type Network, networkOf } from "../../networks.ts";
import { CommandError, explained, UsageError } from "../exit/errors.ts";
import { resolveSigner } from "../options/signer.ts";
import { notice, printJson, printLine } from "../output/output.ts";
import { EXIT } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import { describeVerification, onStderr, verify } from "./verify.ts";

type Options = {
  readonly rpcUrl: string;
  readonly network?: Network;
  readonly keystore?: string;
  readonly deploymentDir?: string;
  readonly yes?: true;
  readonly verify?: true;
  readonly json?: true;
};

/** How long to wait on a real network. The block that first holds the transaction may still be replaced. */
const PATIENCE = { confirmations: 3, pollingIntervalMs: 1_000 } as const;

/** Deploys the router if it is missing, and prints its address. */
export async function runDeploy(options: Options): Promise<void> {
  const client = await connectTo(options);
  const deployment = await deployTo(client, options);
  const verification = options.verify === true ? await onStderr(() => verify(client, options.rpcUrl)) : undefined;

  const { status, address } = deployment;
  const transaction = status === "deployed" ? (deployment.transactionHash ?? null) : null;
  if (options.json === true) {
    printJson({ status, address, chainId: client.chain.id, transaction, verification: verification ?? null });
  } else {
    const verb = status === "deployed" ? "deployed to" : "already deployed at";
    printLine(`router ${verb} ${address} on ${client.chain.name} (chain ${client.chain.id})`);
    if (transaction !== null) printLine(`transaction: ${transaction}`);
    printLine("its code equals the artifact");
    if (verification !== undefined) printLine(describeVerification(verification));
  }
  if (verification?.status === "failed") currentRun().exitCode = EXIT.check;
}

/**
 * Connects to the node.
 * @throws UsageError if it is not on the network that was named.
 */
export async function connectTo(options: Pick<Options, "rpcUrl" | "network">): Promise<ChainClient> {
  const client = await connectChain(options.rpcUrl);
  const wanted = options.network;
  if (wanted === undefined || wanted.chainId === client.chain.id) return client;
  throw new UsageError(`The node is on chain ${client.chain.id}, not on ${wanted.title} (${wanted.chainId}).`, {
    hint: `Point --rpc-url (RPC_URL) at a node of ${wanted.title}.`,
  });
}

/**
 * Deploys the router if it is missing. On a real network it asks first.
 * @param signer The account that sends; by default, the one that the options and the environment name.
 */
export async function deployTo(
  client: ChainClient,
  options: Omit<Options, "verify" | "json">,
  signer?: LocalAccount,
): Promise<RouterDeployment> {
  try {
    if ((await readRouterCode(client)).status === "matches") {
      return { status: "already-deployed", address: ROUTER_ADDRESS };
    }
    const chainId = client.chain.id;
    const account = signer ?? (await resolveSigner({ ...options, chainId }));
    const development = await isDevelopmentChain(client, options.rpcUrl);
    if (!development && options.yes !== true) await confirm(client, account);
    const ignitionFolder = options.deploymentDir ?? (development ? undefined : "ignition");
    const deployment = await deployRouter(client, {
      sender: account,
      rpcUrl: options.rpcUrl,
      ignitionFolder,
      ...(development ? {} : PATIENCE),
    });
    if (ignitionFolder !== undefined) notice(`journal: ${join(ignitionFolder, "deployments", `chain-${chainId}`)}`);
    if (deployment.status === "deployed" && deployment.staleJournal !== undefined) {
      notice(
        `notice: the journal names a router that this chain does not have; the journal was moved to ${deployment.staleJournal}`,
      );
    }
    return deployment;
  } catch (error) {
    if (!(error instanceof DeploymentRefusedError)) throw error;
    throw new CommandError(error.shortMessage, EXIT.check, explained(error));
  }
}

async function confirm(client: ChainClient, account: LocalAccount): Promise<void> {
  const { costWei } = await estimateDeployment(client, { sender: account.address });
  const name = networkOf(client.chain.id)?.title ?? "a network that tributary does not know";
  const what = `${name} (chain ${client.chain.id}) from ${account.address}, for up to ${formatEtherBriefly(costWei, "up")} ETH`;
  if (!currentRun().stdin.isTTY) {
    throw new UsageError(`This would deploy to ${what}, and there is no terminal to ask on.`, { hint: "Pass --yes." });
  }
  const terminal = createInterface({ input: currentRun().stdin, output: currentRun().stderr });
  try {
    terminal.setPrompt(`Deploy the router to ${what}? [y/N] `);
    terminal.prompt();
    // The end of the input means no.
    const answer = await Promise.race([once(terminal, "line"), once(terminal, "close").then(() => [""])]);
    if (/^y(es)?$/i.test(String(answer[0]).trim())) return;
  } finally {
    terminal.close();
  }
  throw new UsageError("Not confirmed, so nothing was sent.", { hint: "Answer y, or pass --yes." });
}

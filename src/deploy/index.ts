import { type Address, encodeFunctionData, type Hex, type LocalAccount, parseAbi } from "viem";
import { ask } from "../chain/ask.ts";
import type { ChainClient } from "../chain/client.ts";
import { type RouterCode, readRouterCode } from "../chain/facts/routerCode.ts";
import { type Fees, suggestFees } from "../chain/fees/fees.ts";
import { settlementRouterArtifact } from "../contracts/SettlementRouter.ts";
import { CREATE_X_ADDRESS, ROUTER_ADDRESS, ROUTER_SALT } from "../deployment.ts";
import { formatEtherBriefly } from "../money.ts";
import { DeploymentFailedError, DeploymentRefusedError } from "./errors.ts";
import { runIgnition } from "./ignition.ts";
import { type DeploymentJournal, openDeploymentJournal } from "./journal.ts";

export type { Fees } from "../chain/fees/fees.ts";
export {
  DeploymentFailedError,
  DeploymentRefusedError,
  IgnitionUnavailableError,
  VerificationFailedError,
} from "./errors.ts";
export { type VerificationOutcome, type VerifyRouterOptions, verifyRouter } from "./verify.ts";

/** How the router got to its address. */
export type RouterDeployment =
  | { readonly status: "already-deployed"; readonly address: Address }
  | {
      readonly status: "deployed";
      readonly address: Address;
      /** Undefined if an earlier run sent it. */
      readonly transactionHash: Hex | undefined;
      /** Where an older journal was moved that no longer fits the chain; undefined if none was. */
      readonly staleJournal: string | undefined;
    };

/** Who deploys the router, through which node, and how long to wait. */
export type DeployRouterOptions = {
  /** Pays for the deployment. It gets no rights over the router: nobody has any. */
  readonly sender: LocalAccount;
  /** The node's URL: Ignition connects by itself. */
  readonly rpcUrl: string;
  /**
   * Ignition's folder, which keeps the journal of a real network's deployment in `deployments/chain-<id>`. Undefined
   * for a development chain: the journal is then in a temporary folder while the deployment runs.
   */
  readonly ignitionFolder?: string | undefined;
  /** Confirmations to wait for. The transaction's own block is the first. Default 1; a public network deserves more. */
  readonly confirmations?: number;
  /** How often to ask for the receipt, in milliseconds. Default 100. */
  readonly pollingIntervalMs?: number;
};

/** What deploying will take. On an OP-stack chain, the data fee is extra. */
export type DeploymentEstimate = { readonly gas: bigint; readonly fees: Fees; readonly costWei: bigint };

const QUIET_TIMEOUT_MS = 60_000;

const createXAbi = parseAbi(["function deployCreate2(bytes32 salt, bytes initCode) payable returns (address)"]);

/**
 * Makes sure that the router is at `ROUTER_ADDRESS`: deploys it through CreateX if it is missing, and checks its code
 * byte by byte. Calling it again, or at the same time as somebody else, does no harm.
 *
 * @throws DeploymentRefusedError if CreateX is missing, other code is at the address, or the account cannot pay;
 * IgnitionUnavailableError if Hardhat or Ignition is not installed; DeploymentFailedError if the deployment failed;
 * ChainUnavailableError if the node does not answer.
 */
export async function deployRouter(client: ChainClient, options: DeployRouterOptions): Promise<RouterDeployment> {
  const { sender: account } = options;
  if (isDeployed(await readRouterCode(client))) return { status: "already-deployed", address: ROUTER_ADDRESS };
  await estimateDeployment(client, { sender: account.address });
  const journal = openDeploymentJournal(client.chain.id, options.ignitionFolder);
  try {
    return await runWithJournal(client, options, journal);
  } catch (error) {
    if (!(error instanceof DeploymentFailedError)) throw error;
    // Somebody else deployed the router meanwhile, so CreateX refused. It is there, as wanted.
    if (await isThere(client)) return { status: "already-deployed", address: ROUTER_ADDRESS };
    if (!journal.resumes || !(await nothingWaits(client, account.address))) throw error;
  } finally {
    journal.close();
  }
  // The earlier run ended while it sent, and Ignition cannot resume that. Once nothing of the account waits, either
  // that transaction deployed the router, or another one is harmless: CREATE2 lets only one of them through.
  if (await isThere(client)) {
    return { status: "deployed", address: ROUTER_ADDRESS, transactionHash: undefined, staleJournal: undefined };
  }
  const anew = openDeploymentJournal(client.chain.id, options.ignitionFolder, { anew: true });
  return runWithJournal(client, options, anew);
}

async function runWithJournal(
  client: ChainClient,
  { sender: account, rpcUrl, confirmations = 1, pollingIntervalMs = 100 }: DeployRouterOptions,
  journal: DeploymentJournal,
): Promise<RouterDeployment> {
  const chainId = client.chain.id;
  const sent = await runIgnition({ rpcUrl, chainId, account, journal, confirmations, pollingIntervalMs });
  if (!isDeployed(await readRouterCode(client))) {
    throw new DeploymentFailedError(`Ignition reports success, and ${ROUTER_ADDRESS} has no code.`, {
      hint: "Ask another node of this chain; this one may be behind.",
    });
  }
  const transactionHash = await minedOf(client, sent);
  return { status: "deployed", address: ROUTER_ADDRESS, transactionHash, staleJournal: journal.movedTo };
}

async function isThere(client: ChainClient): Promise<boolean> {
  const code = await readRouterCode(client).catch(() => undefined);
  return code?.status === "matches";
}

/** Waits until no transaction of `address` is in the mempool; false if that takes too long. */
async function nothingWaits(client: ChainClient, address: Address): Promise<boolean> {
  const end = Date.now() + QUIET_TIMEOUT_MS;
  for (;;) {
    const [latest, pending] = await Promise.all([
      ask("a transaction count", client.getTransactionCount({ address, blockTag: "latest" })),
      ask("a transaction count", client.getTransactionCount({ address, blockTag: "pending" })),
    ]);
    if (pending <= latest) return true;
    if (Date.now() > end) return false;
    await new Promise((resolve) => setTimeout(resolve, client.pollingInterval));
  }
}

/**
 * What deploying the router costs now.
 *
 * @throws DeploymentRefusedError if CreateX is missing or `sender` cannot pay; ChainUnavailableError if the node does not
 * answer.
 */
export async function estimateDeployment(
  client: ChainClient,
  { sender: from }: { readonly sender: Address },
): Promise<DeploymentEstimate> {
  const [createX, balance, fees] = await Promise.all([
    ask("the code of CreateX", client.getCode({ address: CREATE_X_ADDRESS })),
    ask(`the balance of ${from}`, client.getBalance({ address: from })),
    suggestFees(client),
  ]);
  if (createX === undefined || createX === "0x") {
    throw new DeploymentRefusedError(`CreateX, which deploys the router, is not on chain ${client.chain.id}.`, {
      details: `${CREATE_X_ADDRESS} has no code.`,
      hint: "Check that the node is on the chain you mean. If that chain lacks it, have it deployed first: https://createx.rocks.",
    });
  }
  const args = [ROUTER_SALT, settlementRouterArtifact.bytecode] as const;
  const data = encodeFunctionData({ abi: createXAbi, args });
  // The request names no fees, so the node does not look at the balance. It asks about the latest block, because an
  // earlier run's deployment may be pending, and on top of that another one fails.
  const gas = await ask(
    "an estimate of the deployment's gas",
    client.estimateGas({ account: from, to: CREATE_X_ADDRESS, data, blockTag: "latest" }),
  );
  const costWei = gas * fees.maxFeePerGas;
  if (balance < costWei) {
    throw new DeploymentRefusedError(`${from} cannot pay for the deployment.`, {
      details: `It has ${formatEtherBriefly(balance, "down")} ETH and needs about ${formatEtherBriefly(costWei, "up")} ETH.`,
      hint: `Send ether to ${from} on chain ${client.chain.id}; a test network has faucets (docs/deployment.md).`,
    });
  }
  return { gas, fees, costWei };
}

function isDeployed(code: RouterCode): boolean {
  if (code.status !== "differs") return code.status === "matches";
  throw new DeploymentRefusedError(`${ROUTER_ADDRESS} has other code than this version's router.`, {
    details: `${code.bytes} bytes; the router has ${(settlementRouterArtifact.deployedBytecode.length - 2) / 2}.`,
    hint: "Use the version of this package that this chain's router belongs to, and send nothing to this address.",
  });
}

async function minedOf(client: ChainClient, hashes: readonly Hex[]): Promise<Hex | undefined> {
  for (const hash of hashes) {
    const receipt = await client.getTransactionReceipt({ hash }).catch(() => undefined);
    if (receipt !== undefined) return hash;
  }
  return undefined;
}

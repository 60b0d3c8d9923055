import { type Hex, hexToBigInt, hexToNumber, isHex, type LocalAccount } from "viem";
import { feeBoundsOf } from "../chain/fees/fees.ts";
import { ROUTER_SALT } from "../deployment.ts";
import { min } from "../money.ts";
import { DeploymentFailedError } from "./errors.ts";
import type { DeploymentJournal } from "./journal.ts";
import { loadIgnition, PACKAGE_FOLDER } from "./plugins.ts";

export type IgnitionRun = {
  readonly rpcUrl: string;
  readonly chainId: number;
  readonly account: LocalAccount;
  readonly journal: DeploymentJournal;
  /** Confirmations to wait for. The transaction's own block is the first. */
  readonly confirmations: number;
  readonly pollingIntervalMs: number;
};

/**
 * Deploys the router with Ignition's `create2` strategy. The key stays with `account`: Hardhat asks its node for
 * accounts and to send transactions, and both requests are answered here.
 *
 * @returns The hashes of what was sent, in order. Fee bumps give one transaction several hashes.
 * @throws IgnitionUnavailableError if Hardhat is missing; DeploymentFailedError if Ignition gives up.
 */
export async function runIgnition(run: IgnitionRun): Promise<Hex[]> {
  const { createHardhatRuntimeEnvironment, plugins, settlementRouterModule } = await loadIgnition();
  const { chainId, account, journal } = run;
  const sent: Hex[] = [];
  try {
    const environment = await createHardhatRuntimeEnvironment(
      {
        plugins,
        paths: { ignition: journal.ignitionFolder },
        ignition: {
          requiredConfirmations: run.confirmations,
          blockPollingInterval: run.pollingIntervalMs,
          retryInterval: run.pollingIntervalMs,
        },
        networks: { target: { type: "http", chainId, url: run.rpcUrl, accounts: "remote" } },
      },
      {},
      PACKAGE_FOLDER,
    );
    environment.hooks.registerHandlers("network", {
      onRequest: async (context, connection, request, next) => {
        const { id, method } = request;
        if (method === "eth_accounts" || method === "eth_requestAccounts") {
          return { jsonrpc: "2.0", id, result: [account.address] };
        }
        if (method !== "eth_sendTransaction") return next(context, connection, request);
        const raw = await sign(account, chainId, Array.isArray(request.params) ? request.params[0] : undefined);
        const answer = await next(context, connection, { ...request, method: "eth_sendRawTransaction", params: [raw] });
        if ("result" in answer && isHex(answer.result)) sent.push(answer.result);
        return answer;
      },
    });
    const connection = await environment.network.create({ network: "target" });
    try {
      await connection.ignition.deploy(settlementRouterModule, {
        strategy: "create2",
        strategyConfig: { salt: ROUTER_SALT },
        deploymentId: journal.id,
        defaultSender: account.address,
        displayUi: false,
      });
    } finally {
      await connection.close();
    }
    return sent;
  } catch (cause) {
    throw new DeploymentFailedError("Ignition did not complete the deployment.", {
      details: describe(cause, run.rpcUrl),
      hint: `Fix what the details say and deploy again: that resumes from its journal (${journal.id}).`,
    });
  }
}

/** Signs the transaction that Ignition wants sent, at no higher fees than are usual on the chain. Ignition fills in every field. */
async function sign(account: LocalAccount, chainId: number, transaction: unknown): Promise<Hex> {
  const field = (name: string): Hex | undefined => {
    const value: unknown =
      typeof transaction === "object" && transaction !== null ? Reflect.get(transaction, name) : undefined;
    return isHex(value) ? value : undefined;
  };
  const [to, data, gas, txNonce] = [field("to"), field("data"), field("gas"), field("nonce")];
  if (to === undefined || data === undefined || gas === undefined || txNonce === undefined) {
    throw new DeploymentFailedError("Ignition asked for a transaction that lacks a field.");
  }
  const call = { chainId, to, data, gas: hexToBigInt(gas), nonce: hexToNumber(txNonce) };
  // If a node suggests more than these bounds, it is not believed.
  const { ceilingWei, tipCeilingWei } = feeBoundsOf(chainId);
  const [maxFee, tip, gasPrice] = [field("maxFeePerGas"), field("maxPriorityFeePerGas"), field("gasPrice")];
  if (maxFee !== undefined && tip !== undefined) {
    const maxFeePerGas = min(hexToBigInt(maxFee), ceilingWei);
    const fees = { maxFeePerGas, maxPriorityFeePerGas: min(min(hexToBigInt(tip), tipCeilingWei), maxFeePerGas) };
    return account.signTransaction({ type: "eip1559", ...call, ...fees });
  }
  if (gasPrice === undefined) throw new DeploymentFailedError("Ignition asked for a transaction without a fee.");
  return account.signTransaction({ type: "legacy", ...call, gasPrice: min(hexToBigInt(gasPrice), ceilingWei) });
}

/** The error's message without the node's URL, which may hold a key. */
function describe(error: unknown, rpcUrl: string): string {
  const message = error instanceof Error ? error.message : String(error);
  return message
    .replaceAll(rpcUrl, new URL(rpcUrl).origin)
    .trim()
    .replaceAll(/\s*\n\s*/g, " ");
}

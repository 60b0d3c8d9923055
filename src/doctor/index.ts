import type { Address } from "viem";
import { type ChainClient, connectChain } from "../chain/client.ts";
import { isDevelopmentChain } from "../chain/development.ts";
import { ChainUnavailableError } from "../chain/errors.ts";
import { knownTokenDomain, type Network, networkOf } from "../networks.ts";
import {
  checkChannels,
  checkClock,
  checkGasPriceOracle,
  checkMulticall3,
  checkPreconfirmations,
  checkRouter,
  judgeChainId,
} from "./chainChecks.ts";
import { checkDryRun, checkOverload, makeProbe } from "./dryRun.ts";
import { type DoctorCheck, type DoctorReport, failed, passed, reportOf, warned } from "./report.ts";
import { checkBalance, checkTxNonce } from "./signerChecks.ts";
import { checkTokenCode, checkTokenDomain, checkTokenState, readTokenDomain } from "./tokenChecks.ts";

export type { DoctorCheck, DoctorReport } from "./report.ts";

/** What the node should have, and who would send. */
export type DoctorOptions = {
  /** The network that the node should serve. Default: the network of the node's chain id. */
  readonly network?: Network | undefined;
  /** Default: the network's USDC. */
  readonly token?: Address | undefined;
  /** The account that would send. Its key is not needed. */
  readonly sender?: Address | undefined;
  /** The time to compare the chain's clock with, in Unix seconds. Default: the machine's. */
  readonly nowSeconds?: bigint;
};

/**
 * Checks everything that settling payments depends on. It only reads and simulates calls; nothing is sent. It does not
 * throw if something is missing: that is what it reports.
 * @param rpcUrl The node's URL. Of it, the report gives only the origin.
 */
export async function runDoctor(rpcUrl: string, options: DoctorOptions = {}): Promise<DoctorReport> {
  const connected = await connect(rpcUrl);
  if (!("client" in connected)) return reportOf(undefined, [connected]);
  const { client } = connected;
  const chainId = client.chain.id;
  const reached = passed("RPC", "answers");
  const chain = judgeChainId(chainId, options.network);
  // On a wrong chain, every other answer would be about something else.
  if (chain.status === "fail") return reportOf(chainId, [reached, chain]);

  const { sender, nowSeconds = BigInt(Math.floor(Date.now() / 1000)) } = options;
  const token = options.token ?? networkOf(chainId)?.usdc.address;
  const development = await isDevelopmentChain(client, rpcUrl);
  const router = await checkRouter(client);
  const around = await Promise.all([
    checkMulticall3(client),
    checkChannels(client),
    checkGasPriceOracle(client, development),
    checkClock(client, nowSeconds, development),
    checkPreconfirmations(client),
    checkBalance(client, sender),
    ...(sender === undefined ? [] : [checkTxNonce(client, sender)]),
  ]);
  const payments =
    token === undefined
      ? [failed("token", `no USDC is known on chain ${chainId}`, "Name the token.")]
      : await checkPayments(client, token, router.status === "ok", nowSeconds);
  return reportOf(chainId, [reached, chain, router, ...around, ...payments]);
}

/** Checks everything about the token, up to a batch through the router. */
async function checkPayments(
  client: ChainClient,
  token: Address,
  routerReady: boolean,
  nowSeconds: bigint,
): Promise<DoctorCheck[]> {
  const code = await checkTokenCode(client, token);
  if (code.status === "fail") return [code];
  const checks = [code, ...(await Promise.all([checkTokenDomain(client, token), checkTokenState(client, token)]))];
  const domain =
    knownTokenDomain(client.chain.id, token) ?? (await readTokenDomain(client, token).catch(() => undefined));
  if (domain === undefined) return checks;
  // A development chain's clock may have been moved far ahead.
  const block = await client.getBlock({ blockTag: "latest" }).catch(() => undefined);
  const now = block !== undefined && block.timestamp > nowSeconds ? block.timestamp : nowSeconds;
  const probe = await makeProbe(client.chain.id, token, domain, now);
  const overloads = await Promise.all([checkOverload(client, probe, "vrs"), checkOverload(client, probe, "bytes")]);
  const dryRun = routerReady
    ? await checkDryRun(client, probe)
    : warned("dry run", "not tried without the router", "Deploy the router first.");
  return [...checks, ...overloads, dryRun];
}

async function connect(rpcUrl: string): Promise<{ readonly client: ChainClient } | DoctorCheck> {
  try {
    return { client: await connectChain(rpcUrl) };
  } catch (error) {
    if (!(error instanceof ChainUnavailableError)) throw error;
    const fix = "Start the node, or give the URL of one that runs.";
    return failed("RPC", `no answer from ${new URL(rpcUrl).origin}`, fix);
  }
}

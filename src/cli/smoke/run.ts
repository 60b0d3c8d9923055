import type { Address, LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { randomNonce, signAuthorization } from "../../authorization/sign.ts";
import type { ChainClient } from "../../chain/client.ts";
import { isDevelopmentChain } from "../../chain/development.ts";
import { readRouterCode } from "../../chain/facts/routerCode.ts";
import { ROUTER_ADDRESS } from "../../deployment.ts";
import { formatAmount, formatEtherBriefly } from "../../money.ts";
import { type Network, networkOf } from "../../networks.ts";
import { type JobPayment, type SettlementReport, settlePayments } from "../../settlement/index.ts";
import { connectTo, deployTo } from "../deploy/run.ts";
import { UsageError } from "../exit/errors.ts";
import { resolveSigner } from "../options/signer.ts";
import { notice, printLine } from "../output/output.ts";
import { EXIT, type ExitCode } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import { readBalances } from "./balances.ts";
import { examine, requireBalance } from "./checks.ts";
import { costOf, predictDeployment, predictSettlement, sumOf } from "./cost.ts";
import type { Options } from "./options.ts";
import { tell } from "./text.ts";
import { type Cost, now, openTranscript, type Transcript } from "./transcript.ts";

/** Tries a network, and writes a transcript if one was asked for. */
export async function runSmoke(options: Options): Promise<void> {
  const transcript = options.report === undefined ? undefined : await openTranscript(options.report);
  try {
    await tryNetwork(options, transcript);
  } catch (error) {
    await transcript?.fail(error).catch(() => undefined);
    throw error;
  }
  if (options.report !== undefined) notice(`report: ${options.report}`);
}

async function tryNetwork(options: Options, transcript: Transcript | undefined): Promise<void> {
  const client = await connectTo(options);
  const usdc = networkOf(client.chain.id)?.usdc;
  if (usdc === undefined) {
    throw new UsageError(`No USDC is known on chain ${client.chain.id}.`, { hint: "Use Base Sepolia or Base." });
  }
  const account = await resolveSigner({ ...options, chainId: client.chain.id });
  const to = options.payee ?? privateKeyToAccount(generatePrivateKey()).address;
  const development = await isDevelopmentChain(client, options.rpcUrl);
  await transcript?.note({
    network: {
      name: client.chain.name,
      chainId: client.chain.id,
      isDevelopment: development,
      node: await client.request({ method: "web3_clientVersion" }).catch(() => null),
    },
    addresses: { sender: account.address, payee: to, token: usdc.address, router: ROUTER_ADDRESS },
  });
  const missing = (await readRouterCode(client)).status === "missing";
  await examine(account, options, missing, transcript);
  await requireBalance(client, account.address, usdc.address, options.amount * BigInt(options.count));
  if (missing) {
    const predictedGas = transcript === undefined ? null : await predictDeployment(client, account.address);
    const deployment = await deployTo(client, options, account);
    notice(`router deployed to ${deployment.address}`);
    const transaction = deployment.status === "deployed" ? (deployment.transactionHash ?? null) : null;
    await transcript?.note({ deployment: { transaction, predictedGas, used: await costOf(client, transaction) } });
    await examine(account, options, false, transcript);
  }

  const payments = await signPayments(client, account, usdc, to, options);
  const predicted = transcript === undefined ? null : await predictSettlement(client, payments, account.address);
  const report = await settlePayments(client, { payments, senders: [account] });
  const balances = await readBalances(client, usdc.address, { payer: account.address, payee: to }, report);
  const used = sumOf(report.transactions);
  const explorer = development ? undefined : networkOf(client.chain.id)?.explorerUrl;
  tell(report, balances, client.chain.id, explorer, options);
  if (options.json !== true && predicted !== null) {
    const fee = ({ feeWei }: Cost) => `${formatEtherBriefly(feeWei, "up")} ETH`;
    printLine(`predicted ${predicted.gas} gas and ${fee(predicted)}, used ${used.gas} gas and ${fee(used)}`);
  }
  await transcript?.note({
    settlement: {
      predicted,
      used,
      transactions: report.transactions,
      payments: report.results.map(({ authorization: { value, nonce }, outcome }) => ({ value, nonce, outcome })),
      balances,
    },
    endedAt: now(),
  });
  if (report.stopped !== undefined) throw report.stopped;
  currentRun().exitCode = exitCodeOf(report);
}

async function signPayments(
  client: ChainClient,
  account: LocalAccount,
  usdc: Network["usdc"],
  to: Address,
  { payee, count, amount }: Options,
): Promise<JobPayment[]> {
  if (payee === undefined)
    notice(`paying ${formatAmount(amount * BigInt(count), 6)} USDC to ${to}, whose key nobody has`);
  const { timestamp } = await client.getBlock({ blockTag: "latest" });
  const now = BigInt(Math.floor(Date.now() / 1000));
  const validBefore = (timestamp > now ? timestamp : now) + 3600n;
  const terms = { chainId: client.chain.id, token: usdc.address, from: account.address, to, value: amount };
  return Promise.all(
    Array.from({ length: count }, async () => {
      const authorization = { ...terms, validAfter: 0n, validBefore, nonce: randomNonce() };
      return { authorization: await signAuthorization(account, { authorization, domain: usdc }) };
    }),
  );
}

function exitCodeOf(report: SettlementReport): ExitCode {
  const statuses = report.results.map(({ outcome }) => outcome.status);
  if (statuses.includes("pending")) return EXIT.unknown;
  return statuses.every((status) => status === "settled") ? EXIT.done : EXIT.unsettled;
}

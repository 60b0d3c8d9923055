import { Command } from "commander";
import { type Address, erc20Abi, type LocalAccount } from "viem";
import { generatePrivateKey, privateKeyToAccount } from "viem/accounts";
import { randomNonce, signAuthorization } from "../src/authorization/sign.ts";
import type { ChainClient } from "../src/chain/client.ts";
import { isDevelopmentChain } from "../src/chain/development.ts";
import { readRouterCode } from "../src/chain/facts/routerCode.ts";
import { CommandError, UsageError } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import {
  address,
  integer,
  jsonOption,
  keystoreOption,
  network,
  rpcUrlOption,
  usdcAmount,
} from "../src/cli/options/options.ts";
import { resolveSigner } from "../src/cli/options/signer.ts";
import { notice, printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT, type ExitCode } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { costOf, predictDeployment, predictSettlement, sumOf } from "../src/cli/smoke/cost.ts";
import { type Cost, now, openTranscript, type Transcript } from "../src/cli/smoke/transcript.ts";
import { ROUTER_ADDRESS } from "../src/deployment.ts";
import { runDoctor } from "../src/doctor/index.ts";
import { formatAmount, formatEtherBriefly } from "../src/money.ts";
import { type Network, networkOf } from "../src/networks.ts";
import { type JobPayment, type SettlementReport, settlePayments } from "../src/settlement/index.ts";
import { connectTo, deployTo } from "./deploy.ts";
import { formatReport } from "./doctor.ts";

type Options = {
  readonly rpcUrl: string;
  readonly network?: Network;
  readonly keystore?: string;
  readonly deploymentDir?: string;
  readonly payee?: Address;
  readonly count: number;
  readonly amount: bigint;
  readonly report?: string;
  readonly yes?: true;
  readonly json?: true;
};

/** `tributary smoke`: from a funded key to settled payments. */
export function smokeCommand(): Command {
  return new Command("smoke")
    .description("Try a network with a funded key: doctor, deploy if needed, sign a few payments, settle them.")
    .addOption(rpcUrlOption())
    .option("--network <name>", "network that it should be, such as baseSepolia", network)
    .addOption(keystoreOption())
    .option("--payee <address>", "who is paid (default: a new address that nobody has the key of)", address)
    .option("--count <number>", "how many payments", integer(2, 50), 3)
    .option("--amount <usdc>", "amount of each", usdcAmount, 100n)
    .option("--deployment-dir <dir>", "where a deployment's journal goes; see deploy")
    .option("--report <file>", "write what was done to this new file, to keep or to send in; it holds no secret")
    .option("--yes", "do not ask before deploying to a real network")
    .addOption(jsonOption())
    .addHelpText("after", examples("smoke --network baseSepolia --report smoke.json"))
    .action(runSmoke);
}

async function runSmoke(options: Options): Promise<void> {
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

/** Balances before the first and after the last of the transactions; undefined where there are none, or the node tells no more. */
async function readBalances<Role extends string>(
  client: ChainClient,
  usdc: Address,
  owners: Readonly<Record<Role, Address>>,
  { transactions }: SettlementReport,
): Promise<Readonly<Record<Role, Change>>> {
  const blocks = transactions.map(({ blockNumber }) => blockNumber);
  const [firstBlock, lastBlock] = [
    blocks.reduce((a, b) => (a < b ? a : b), blocks[0] ?? 0n),
    blocks.reduce((a, b) => (a > b ? a : b), 0n),
  ];
  const balance = (of: Address, blockNumber: bigint) =>
    client.readContract({ address: usdc, abi: erc20Abi, functionName: "balanceOf", args: [of], blockNumber });
  const change = async (address: Address): Promise<Change> =>
    blocks.length === 0
      ? undefined
      : { address, before: await balance(address, firstBlock - 1n), after: await balance(address, lastBlock) };
  const entries = Object.entries<Address>(owners).map(async ([role, owner]) => {
    // The node may not answer any more; the transactions are told all the same.
    return [role, await change(owner).catch(() => undefined)] as const;
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<Role, Change>;
}

/** Runs the doctor and ends the command where it finds what settling would stumble over. */
async function examine(
  account: LocalAccount,
  options: Options,
  routerMissing: boolean,
  transcript: Transcript | undefined,
): Promise<void> {
  const report = await runDoctor({
    rpcUrl: options.rpcUrl,
    network: options.network,
    sender: account.address,
  });
  for (const line of formatReport(report, currentRun().stderr)) notice(line);
  await transcript?.note({ checks: report.checks });
  const failed = report.checks.filter(({ name, status }) => status === "fail" && !(routerMissing && name === "router"));
  if (failed.length === 0) return;
  throw new CommandError(`The doctor found what stops payments (${failed.length}); nothing was sent.`, EXIT.check, {
    hint: "Mend what the lines above say, then run the command again.",
  });
}

async function requireBalance(client: ChainClient, owner: Address, usdc: Address, needed: bigint): Promise<void> {
  const args = [owner] as const;
  const owned = await client.readContract({ address: usdc, abi: erc20Abi, functionName: "balanceOf", args });
  if (owned >= needed) return;
  throw new CommandError(
    `${owner} has ${formatAmount(owned, 6)} USDC and needs ${formatAmount(needed, 6)}.`,
    EXIT.check,
    {
      hint: "Get test USDC from https://faucet.circle.com (Base Sepolia), then run the command again.",
    },
  );
}

async function signPayments(
  client: ChainClient,
  account: LocalAccount,
  usdc: Network["usdc"],
  to: Address,
  { payee, count, amount }: Options,
): Promise<JobPayment[]> {
  if (payee === undefined)
    notice(`paying ${formatAmount(amount * BigInt(count), 6)} USDC to ${to}, which nobody has the key of`);
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

type Change = { readonly address: Address; readonly before: bigint; readonly after: bigint } | undefined;

function tell(
  report: SettlementReport,
  balances: { readonly payer: Change; readonly payee: Change },
  chainId: number,
  explorer: string | undefined,
  { json }: Options,
): void {
  const settled = report.results.filter(({ outcome }) => outcome.status === "settled").length;
  if (json === true) {
    const results = report.results.map(({ outcome }) => outcome);
    const { transactions, routerUsed } = report;
    printJson({
      chainId,
      settled,
      payments: results.length,
      routerUsed,
      transactions,
      balances,
      results,
    });
    return;
  }
  printLine(`${settled} of ${report.results.length} payments settled`);
  for (const { hash, gasUsed } of report.transactions) {
    printLine(`transaction ${hash}, ${gasUsed} gas${explorer === undefined ? "" : `\n  ${explorer}/tx/${hash}`}`);
  }
  for (const { outcome } of report.results) {
    if (outcome.status === "rejected") printLine(`rejected: ${outcome.reason}, ${outcome.message}`);
    if (outcome.status === "not-attempted") printLine(`not attempted: ${outcome.message}`);
    if (outcome.status === "pending") printLine(`pending: ${outcome.transactionHash}`);
  }
  for (const [who, change] of Object.entries(balances)) {
    if (change === undefined) continue;
    const { before, after } = change;
    printLine(`${who} ${change.address}: ${formatAmount(before, 6)} → ${formatAmount(after, 6)} USDC`);
  }
}

function exitCodeOf(report: SettlementReport): ExitCode {
  const statuses = report.results.map(({ outcome }) => outcome.status);
  if (statuses.includes("pending")) return EXIT.unknown;
  return statuses.every((status) => status === "settled") ? EXIT.done : EXIT.unsettled;
}

import { Command, Option } from "commander";
import { systemClock } from "../../clock.ts";
import { DEFAULT_KEEPER_POLICY, type KeeperPolicy, type KeeperStatus } from "../../keeper/index.ts";
import { formatAmount, formatEtherBriefly } from "../../money.ts";
import { exposureOf, names } from "../connect/listening.ts";
import { examples } from "../options/examples.ts";
import { integer, usdcAmount } from "../options/options.ts";
import { notice, printJson, printLine } from "../output/output.ts";
import { counted } from "../output/summary.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { type ServedMetrics, serveMetrics } from "./metrics.ts";
import { type KeeperCommandOptions, openKeeper, percent, withKeeperOptions } from "./open.ts";
import { describeActivity } from "./text.ts";

type Options = KeeperCommandOptions & {
  readonly maxCost: bigint;
  readonly maxAge: number;
  readonly maxSweepAge: number;
  readonly maxChannels: number;
  readonly maxDebt?: bigint;
  readonly ethUsd: bigint;
  readonly gasFloor: number;
  readonly every: number;
  readonly status: number;
  readonly fromBlock?: number;
  readonly metricsPort?: number;
  readonly metricsHost: string;
  readonly metricsAllowedHost?: readonly string[];
};

const HOUR_MS = 3_600_000;

/** `channels keep`: watches the channels until it is told to stop. */
export function keepCommand(): Command {
  const { maxAgeMs, maxSweepAgeMs, maxChannels, roundMs } = DEFAULT_KEEPER_POLICY;
  return withKeeperOptions(new Command("keep"))
    .description(
      "Follow the channels of the journal on the chain, claim before a payer can withdraw what is earned, and claim and sweep " +
        "when it pays, until Ctrl-C. It may be killed at any point: the next run continues where it was.",
    )
    .addOption(
      new Option("--max-cost <percent>", "claim and sweep as soon as it costs at most this part of what it brings")
        .argParser(percent)
        .default(DEFAULT_KEEPER_POLICY.maxCostPermille, "1"),
    )
    .option(
      "--max-age <hours>",
      "claim what was earned this long ago, if that pays",
      integer(0, 8_760),
      maxAgeMs / HOUR_MS,
    )
    .option(
      "--max-sweep-age <hours>",
      "sweep what was claimed this long ago, if that pays",
      integer(0, 8_760),
      maxSweepAgeMs / HOUR_MS,
    )
    .option("--max-channels <count>", "claim when this many channels have something to claim", integer(1), maxChannels)
    .option("--max-debt <usdc>", "claim a payer's channels when they owe more than this", usdcAmount)
    .addOption(
      new Option("--eth-usd <usd>", "price of one ether in US dollars")
        .argParser(usdcAmount)
        .default(DEFAULT_KEEPER_POLICY.etherMicroUsd, "3000"),
    )
    .option(
      "--gas-floor <gas>",
      "gas that a claim during a withdrawal may always take, however little it brings",
      integer(0, 16_777_216),
      Number(DEFAULT_KEEPER_POLICY.gasFloor),
    )
    .option("--every <seconds>", "time between two looks at the channels", integer(1, 300), roundMs / 1000)
    .option("--status <seconds>", "time between two lines of status; 0 for none", integer(0, 86_400), 60)
    .option(
      "--from-block <number>",
      "first block to read claims and sweeps from, once per journal (default: where its last keeper stopped, or the newest)",
      integer(0),
    )
    .option(
      "--metrics-port <number>",
      "serve /metrics for Prometheus on this port; 0 picks a free one",
      integer(0, 65_535),
    )
    .option("--metrics-host <address>", "address to serve it on", "127.0.0.1")
    .option(
      "--metrics-allowed-host <name>",
      "name that a request for it may have in Host besides localhost and --metrics-host, or * for any; may be repeated",
      names,
    )
    .addHelpText(
      "after",
      `\nTwo keys: --keystore (or PRIVATE_KEY) sends and pays the gas, --authorizer signs claims and sends nothing.\n${examples(
        "channels keep --keystore purse.json --authorizer authorizer.json",
        "channels keep --max-cost 0.5 --max-age 6",
      )}`,
    )
    .action(runKeep);
}

async function runKeep(options: Options): Promise<void> {
  const stop = listenForStop();
  const policy: Partial<KeeperPolicy> = {
    maxCostPermille: options.maxCost,
    maxAgeMs: options.maxAge * HOUR_MS,
    maxSweepAgeMs: options.maxSweepAge * HOUR_MS,
    maxChannels: options.maxChannels,
    maxUnclaimedPerPayer: options.maxDebt,
    etherMicroUsd: options.ethUsd,
    gasFloor: BigInt(options.gasFloor),
    roundMs: options.every * 1_000,
  };
  const { keeper, engine, metrics, close } = await openKeeper(options, {
    isWatching: true,
    policy,
    signal: stop.signal,
    firstBlock: options.fromBlock === undefined ? undefined : BigInt(options.fromBlock),
    onActivity: (activity) => {
      if (options.json === true) printJson({ activity });
      else for (const line of describeActivity(activity)) printLine(line);
    },
    onWaiting: (waiting) => {
      if (options.json === true) printJson({ waiting });
      else printLine(waiting.message);
    },
    // Alerts are on stderr already. With --json they are among the JSON lines too.
    ...(options.json === true ? { onAlert: (alert) => printJson({ alert }) } : {}),
  });
  let served: ServedMetrics | undefined;
  try {
    const { metricsPort: port, metricsHost: host, metricsAllowedHost: allowedHosts } = options;
    served = port === undefined ? undefined : await serveMetrics(metrics, { host, port, allowedHosts });
    const exposure = served === undefined ? undefined : exposureOf("metrics are served", host);
    if (exposure !== undefined) notice(`warning: ${exposure}`);
    const senders = engine.accounts().map(({ address }) => address);
    if (options.json === true) printJson({ keeping: true, senders, metrics: served?.url });
    else {
      printLine(`keeping channels; calls are sent from ${senders.join(", ")}`);
      if (served !== undefined) printLine(`metrics: ${served.url}`);
    }
    while (!stop.signal.aborted) {
      if (options.status > 0) await tell(keeper.status(), options.json === true);
      await systemClock.sleep(options.status > 0 ? options.status * 1_000 : HOUR_MS, stop.signal);
    }
  } finally {
    await served?.close();
    await close();
  }
}

async function tell(asked: Promise<KeeperStatus>, isJson: boolean): Promise<void> {
  let status: KeeperStatus;
  try {
    status = await asked;
  } catch {
    // The keeper itself reports that no node answers.
    notice("notice: the node does not answer, so there is no status");
    return;
  }
  if (isJson) printJson({ status });
  else for (const line of describeStatus(status)) printLine(line);
}

function describeStatus({ senders, authorizers, receivers, withdrawals, openCalls }: KeeperStatus): string[] {
  const unclaimed = authorizers.reduce((sum, one) => sum + one.unclaimed, 0n);
  const unswept = receivers.reduce((sum, one) => sum + one.unswept, 0n);
  const channels = authorizers.reduce((sum, one) => sum + one.channels, 0);
  const purse = senders.map(({ balanceWei }) => `${formatEtherBriefly(balanceWei, "down")} ETH`).join(", ");
  const lines = [
    `${formatAmount(unclaimed, 6)} unclaimed in ${counted(channels, "channel")}, ${formatAmount(unswept, 6)} not swept, ` +
      `${counted(withdrawals, "withdrawal")}, ${counted(openCalls, "call")} under way, purse ${purse}`,
  ];
  for (const { authorizer, signs, unclaimed: amount } of authorizers) {
    if (signs === "missing") lines.push(`no key for ${authorizer}: ${formatAmount(amount, 6)} cannot be claimed here`);
  }
  return lines;
}

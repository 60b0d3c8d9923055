import { formatGwei } from "viem";
import type { ChainClient } from "../../chain/client.ts";
import { readDataFeeInputs } from "../../chain/fees/dataFee.ts";
import { readGasPrice } from "../../chain/fees/fees.ts";
import {
  type ChannelCost,
  type CompareReason,
  type Comparison,
  compareWays,
  type TrafficProfile,
  type Way,
  type WayCost,
} from "../../channels/index.ts";
import type { DataFeeInputs } from "../../fees/index.ts";
import { formatAmount } from "../../money.ts";
import type { JobPayment } from "../../settlement/index.ts";
import { connect } from "../connect/connect.ts";
import { asUsage, UsageError } from "../exit/errors.ts";
import { formatTable, printJson, printLine } from "../output/output.ts";
import { percent, usd } from "../output/quoteText.ts";
import { counted } from "../output/summary.ts";

export type CompareCommandOptions = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly gasPrice?: bigint;
  readonly ethUsd: bigint;
  readonly payers?: number;
  readonly payees?: number;
  readonly amount?: bigint;
  readonly rate?: number;
  readonly session?: number;
  readonly json?: true;
};

const DEFAULT_SESSION_HOURS = 24;

/**
 * `plan --compare`: what a profile of traffic costs one by one, in batches and in channels. It asks a node only for the
 * prices of gas and data, and no node at all if the gas price is given and no node is named.
 */
export async function runCompare(
  file: { readonly payments: readonly JobPayment[] } | undefined,
  options: CompareCommandOptions,
  { isNodeNamed }: { readonly isNodeNamed: boolean },
): Promise<void> {
  const profile = profileOf(file?.payments, options);
  const { gasPrice, ethUsd: etherMicroUsd } = options;
  const client = gasPrice === undefined || isNodeNamed ? await connect(options) : undefined;
  const dataFee = client === undefined ? undefined : await readDataFeeInputs(client);
  const gasPriceWei = gasPrice ?? (client === undefined ? 0n : await readGasPrice(client));
  const comparison = asUsage(() => compareWays(profile, { gasPriceWei, etherMicroUsd, dataFee }));
  if (options.json === true) {
    printJson({ profile, gasPriceWei, etherMicroUsd, dataFeeInputs: dataFee ?? null, ...comparison });
    return;
  }
  for (const line of describe(profile, comparison, dataFee !== undefined)) printLine(line);
  const price = `${formatGwei(gasPriceWei)} gwei per gas (${gasPrice === undefined ? "the chain's price now" : "--gas-price"})`;
  printLine(`\nprices: ${price}, ${usd(etherMicroUsd * 1000n)} per ether (--eth-usd), ${dataText(client, dataFee)}`);
}

function dataText(client: ChainClient | undefined, dataFee: DataFeeInputs | undefined): string {
  if (client === undefined) return "without the data fee of an OP stack (name a node with --rpc-url)";
  return dataFee === undefined ? "no data fee on this chain" : "data at the chain's price now";
}

/** The traffic that the options describe. What they leave out is taken from the file. */
function profileOf(payments: readonly JobPayment[] | undefined, options: CompareCommandOptions): TrafficProfile {
  const known = payments === undefined ? undefined : trafficOf(payments);
  const sessionHours = options.session ?? DEFAULT_SESSION_HOURS;
  const payers = options.payers ?? known?.payers;
  const amount = options.amount ?? known?.amount;
  const paymentsPerPayer = options.rate === undefined ? known?.paymentsPerPayer : options.rate * sessionHours;
  if (payers !== undefined && amount !== undefined && paymentsPerPayer !== undefined) {
    return { payers, payees: options.payees ?? known?.payees ?? 1, amount, paymentsPerPayer, sessionHours };
  }
  throw new UsageError("The traffic to compare is not known.", {
    hint: "Name a file of payments, or give --payers, --amount and --rate.",
  });
}

/** The traffic of a file, as if every payer paid equally often and always the average amount. */
function trafficOf(payments: readonly JobPayment[]): Omit<TrafficProfile, "sessionHours"> | undefined {
  if (payments.length === 0) return undefined;
  const distinct = (pick: "from" | "to") => new Set(payments.map((one) => one.authorization[pick].toLowerCase())).size;
  const total = payments.reduce((sum, { authorization }) => sum + authorization.value, 0n);
  const payers = distinct("from");
  return {
    payers,
    payees: distinct("to"),
    amount: total / BigInt(payments.length),
    paymentsPerPayer: Math.max(1, Math.round(payments.length / payers)),
  };
}

function describe(profile: TrafficProfile, comparison: Comparison, hasDataFee: boolean): string[] {
  const { payers, payees, paymentsPerPayer, amount, sessionHours } = profile;
  const { channel, usualChannels, breakEven, smallestAmount, payments, value } = comparison;
  const right = (title: string) => ({ title, align: "right" as const });
  const ways: readonly (readonly [string, WayCost])[] = [
    ["exact, one by one", comparison.exact],
    ["batch", comparison.batch],
    [`channel, deposits of ${counted(channel.multiplier, "payment")} (recommended)`, channel],
    [`channel, deposits of ${usualChannels.server.multiplier} (the official server's own)`, usualChannels.server],
    [`channel, deposits of ${usualChannels.client.multiplier} (the official client's own)`, usualChannels.client],
  ];
  return [
    `${counted(payers, "payer")} with ${counted(paymentsPerPayer, "payment")} of ${formatAmount(amount, 6)} USDC each to ` +
      `${counted(Math.min(payees, payers), "payee")} in ${counted(sessionHours, "hour")}: ${payments} payments, ${formatAmount(value, 6)} USDC`,
    "",
    ...formatTable(
      [
        { title: "" },
        right("gas each"),
        right("USD each"),
        ...(hasDataFee ? [right("of it data")] : []),
        right("total USD"),
        right("of value"),
      ],
      ways.map(([name, cost]) => [
        name,
        gasEach(cost, payments),
        usdEach(cost),
        ...(hasDataFee ? [percent(dataShare(cost))] : []),
        usd(cost.totalNanoUsd),
        percent(cost.shareOfValuePpm),
      ]),
    ).split("\n"),
    "",
    `recommended: ${comparison.recommended}`,
    ...comparison.reasons.map((reason) => `  ${reasonText(reason)}`),
    ...(comparison.recommended === "channel" ? [depositText(channel, payers)] : []),
    "",
    `a channel is cheaper from ${counted(Number(breakEven.withBatch), "payment")} of one payer (than exact from ${breakEven.withExact})`,
    `smallest payment that costs at most 1 % to settle: exact ${formatAmount(smallestAmount.exact, 6)}, batch ` +
      `${formatAmount(smallestAmount.batch, 6)}, channel ${formatAmount(smallestAmount.channel, 6)} USDC`,
  ];
}

function depositText({ deposit, deposits, multiplier }: ChannelCost, payers: number): string {
  const times = deposits === 1n ? "once" : `${deposits} times`;
  return (
    `  let clients deposit ${formatAmount(deposit, 6)} USDC ${payers === 1 ? "" : "each "}${times}: announce it as extra.minDeposit, ` +
    `which the official client follows, or have them set a depositMultiplier of ${multiplier}`
  );
}

const WAYS: Readonly<Record<Way, string>> = {
  exact: "a transaction for each payment",
  batch: "a batch",
  channel: "a channel",
};

function reasonText(reason: CompareReason): string {
  switch (reason.kind) {
    case "affordable":
      return `${WAYS[reason.way]} costs ${percent(reason.shareOfValuePpm)} of the value, and is the simplest that costs at most 1 %`;
    case "too-dear":
      return `${WAYS[reason.way]} costs ${percent(reason.shareOfValuePpm)} of the value`;
    case "cheapest":
      return `nothing costs at most 1 %; ${WAYS[reason.way]} costs the least, ${percent(reason.shareOfValuePpm)}`;
    case "few-payments":
      return `a channel would need ${reason.breakEven} payments of one payer, not ${reason.paymentsPerPayer}`;
    case "small-deposits":
      return `with deposits of ${reason.multiplier} payments the channel would cost ${percent(reason.shareOfValuePpm)}`;
    case "costs-more-than-it-moves":
      return `${WAYS[reason.way]} costs more than it moves: gather larger payments, or keep payers longer`;
  }
}

/** The data fee's part of a cost, in millionths. */
function dataShare({ dataWei, totalWei }: WayCost): bigint {
  return totalWei === 0n ? 0n : (dataWei * 1_000_000n) / totalWei;
}

/** Gas for each payment, with two decimals below 1,000. */
function gasEach({ totalGas }: WayCost, payments: bigint): string {
  const hundredths = (totalGas * 100n + payments - 1n) / payments;
  return hundredths >= 100_000n ? String((hundredths + 99n) / 100n) : formatAmount(hundredths, 2);
}

/** Dollars for each payment, rounded up to three significant digits. */
function usdEach({ picoUsdPerPayment: pico }: WayCost): string {
  const step = 10n ** BigInt(Math.max(0, pico.toString().length - 3));
  return `$${formatAmount(((pico + step - 1n) / step) * step, 12)}`;
}

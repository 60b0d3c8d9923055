import type { Address } from "viem";
import { CLIENT_DEPOSIT_MULTIPLIER, SERVER_DEPOSIT_MULTIPLIER } from "../../src/channels/compare.ts";
import { formatTable } from "../../src/cli/output/output.ts";
import { percent, usd } from "../../src/cli/output/quoteText.ts";
import { counted } from "../../src/cli/output/summary.ts";
import { widthOf } from "../../src/cli/output/terminal.ts";
import { currentRun } from "../../src/cli/process/surroundings.ts";
import type { LocalChain } from "../../src/local/index.ts";
import { formatAmount } from "../../src/money.ts";
import { type Check, formatChecks, formatEnd, formatGas, indented, thousands, usualPrice } from "../figures.ts";
import type { Measurement } from "../measure.ts";
import type { SaleSize } from "../sale/report.ts";
import { LONG_CHANNEL_PAYMENTS, type LongChannel } from "./model.ts";

/** The result of a sale by channels. Amounts in atomic units. */
export type ChannelDemo = SaleSize & {
  readonly served: number;
  /** The number of different vouchers that paid for answers. */
  readonly vouchers: number;
  readonly channels: number;
  /** The buyers' deposits into their channels: how many, how much the shop asks for, and their sum. */
  readonly deposits: { readonly count: number; readonly announced: bigint; readonly total: bigint };
  readonly claimed: bigint;
  readonly swept: bigint;
  /** What the payee received. */
  readonly paid: bigint;
  /** What the channels still hold. It belongs to the buyers. */
  readonly refundable: bigint;
  readonly transactions: { readonly deposits: number; readonly claimsAndSweeps: number };
  /** Deposits, claims and sweeps, measured. */
  readonly tributary: Measurement;
  /** The same payments by the gas model, not measured; undefined if there are none. */
  readonly modelled: { readonly batches: Measurement; readonly oneByOne: Measurement } | undefined;
  readonly gasPerPayment: { readonly tributary: bigint | undefined };
  /** What deposits, claims and sweeps cost, in millionths of the payments' value, at a usual price of gas and ether. */
  readonly shareOfValuePpm: bigint | undefined;
  readonly longChannel: LongChannel;
  /**
   * The latency of a paid call as its buyer saw it, from the first request to the answer. Calls that only sent a
   * voucher are apart from calls that waited for a deposit to be mined.
   */
  readonly latencyMs: {
    readonly p50: number | undefined;
    readonly p95: number | undefined;
    readonly deposit: { readonly p50: number | undefined; readonly max: number | undefined };
  };
  readonly saleSeconds: number;
  readonly checks: readonly Check[];
};

/** Describes who takes part. */
export function describeChannelSetting(
  setting: SaleSize & {
    readonly shop: string;
    readonly facilitator: string;
    readonly sender: Address;
    readonly keeper: Address;
    readonly deposit: bigint;
    readonly chain: LocalChain;
  },
): string[] {
  const { buyers, requests, price, shop, facilitator, sender, keeper, deposit, chain } = setting;
  const roles = [
    [
      "client",
      `${thousands(buyers)} buyers with the official @x402/fetch and its scheme batch-settlement, all at once`,
    ],
    ["resource server", `express with the official @x402/express and its scheme at ${shop}`],
    ["", `keeps vouchers in Tributary's journal on disk, asks for deposits of $${formatAmount(deposit, 6)}`],
    ["facilitator", `Tributary at ${facilitator}, sends deposits from ${sender}`],
    ["keeper", `Tributary, claims and sweeps for the server from ${keeper}`],
    ["chain", `on ${chain.rpcUrl}, as Base Sepolia (id ${chain.chainId}), a block every 2 s`],
    ["", `USDC ${chain.usdc}, channels ${chain.batchSettlement}`],
  ];
  return [
    `Tributary demo: ${thousands(requests)} calls of an API, sold at $${formatAmount(price, 6)} each through payment channels, ` +
      "all on this machine",
    "",
    ...indented(
      formatTable([{ title: "role" }, { title: "played by" }], roles, widthOf(currentRun().stdout, 2)).split("\n"),
    ),
    "",
  ];
}

/** Tells what happened. */
export function formatChannelSale(demo: ChannelDemo, seconds: number): string[] {
  const { served, requests, vouchers, channels, deposits, transactions, latencyMs, saleSeconds, checks } = demo;
  const figures = [
    ["calls served", `${thousands(served)} of ${thousands(requests)} in ${saleSeconds.toFixed(1)} s`],
    ["vouchers", `${thousands(vouchers)} in ${counted(channels, "channel")}; the newest of each was claimed`],
    [
      "transactions",
      `${transactions.deposits + transactions.claimsAndSweeps}: ${transactions.deposits} with ` +
        `${counted(deposits.count, "deposit")}, ${transactions.claimsAndSweeps} with claims and sweeps`,
    ],
    ["latency of a call", `p50 ${inMs(latencyMs.p50)}, p95 ${inMs(latencyMs.p95)}: nothing waits for the chain`],
    [
      "with a deposit",
      `p50 ${inMs(latencyMs.deposit.p50)}, at most ${inMs(latencyMs.deposit.max)}, with a block every 2 s`,
    ],
    [
      "money",
      `${money(deposits.total)} deposited, ${money(demo.claimed)} claimed, ${money(demo.swept)} swept to the payee, ` +
        `${money(demo.refundable)} the buyers' to take back`,
    ],
  ];
  const rows = [{ name: "channels (measured)", ...demo.tributary }];
  if (demo.modelled !== undefined) {
    rows.push(
      { name: "batches (by the model)", ...demo.modelled.batches },
      { name: "one by one (by the model)", ...demo.modelled.oneByOne },
    );
  }
  return [
    ...formatTable([{ title: "" }, { title: "" }], figures)
      .split("\n")
      .slice(1),
    "",
    `Gas of the ${thousands(served)} payments; the model is held to measurements by a test:`,
    "",
    ...indented(formatGas(rows)),
    "",
    ...indented(formatCost(demo)),
    "",
    ...formatChecks(checks),
    "",
    formatEnd(checks, seconds),
  ];
}

function formatCost({ price, served, tributary, modelled, shareOfValuePpm, longChannel }: ChannelDemo): string[] {
  if (modelled === undefined || shareOfValuePpm === undefined) return [];
  const inAll = (gasUsed: bigint) => usd(usualPrice({ gasUsed, settled: served }, price)?.totalNano ?? 0n);
  const { recommended, server, client } = longChannel.shareOfValuePpm;
  return [
    `At 0.005 gwei per gas and $3,000 per ether the channels cost ${inAll(tributary.gasUsed)} in all, ${percent(shareOfValuePpm)} of the payments'`,
    `value; batches ${inAll(modelled.batches.gasUsed)}, one by one ${inAll(modelled.oneByOne.gasUsed)}. More payments cost no more while a deposit lasts:`,
    `${thousands(LONG_CHANNEL_PAYMENTS)} of $${formatAmount(price, 6)} in one channel cost, by the model for Base's contracts:`,
    "",
    ...formatTable(
      [
        { title: "deposits" },
        { title: "payments in each", align: "right" },
        { title: "cost of the value", align: "right" },
      ],
      [
        ["as the shop asks for here", thousands(longChannel.multiplier), percent(recommended)],
        ["as the official server asks for by default", thousands(SERVER_DEPOSIT_MULTIPLIER), percent(server)],
        ["as the official client makes by default", thousands(CLIENT_DEPOSIT_MULTIPLIER), percent(client)],
      ],
    ).split("\n"),
  ];
}

function money(amount: bigint): string {
  return `$${formatAmount(amount, 6)}`;
}

function inMs(ms: number | undefined): string {
  return ms === undefined ? "–" : `${thousands(Math.round(ms))} ms`;
}

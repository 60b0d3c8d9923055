import { priceBatch } from "../../src/fees/index.ts";
import { formatAmount } from "../../src/money.ts";
import type { SettlementSummary } from "../../src/settlement/index.ts";
import { formatTable } from "../cli/output.ts";
import { usd } from "../cli/quoteText.ts";
import { formatOutcomes } from "../cli/summary.ts";
import { LEAST, MOST, PAYEES, PAYERS, PAYMENTS } from "./cast.ts";
import type { Check } from "./checks.ts";
import type { Measurement } from "./measure.ts";

export type Demo = {
  readonly summary: SettlementSummary;
  readonly oneByOne: Measurement;
  readonly multicall: Measurement;
  readonly checks: readonly Check[];
  readonly file: string;
  readonly results: string;
};

/** What is about to happen. */
export function introduce(): string[] {
  const [least, most] = [formatAmount(LEAST, 6), formatAmount(MOST, 6)];
  return [
    "Tributary demo: many signed USDC payments, few transactions, on a local chain in this process",
    "",
    `${thousands(PAYMENTS)} payments of $${least} to $${most}, signed by ${PAYERS} payers for ${PAYEES} payees, some of them bad:`,
    "expired, not valid yet, drained, altered, nonce used, nonce cancelled, blocklisted, and payers whose code burns gas.",
    "",
  ];
}

/** What happened. */
export function formatDemo(demo: Demo, seconds: number): string[] {
  const { summary, checks } = demo;
  const settled = summary.settledNow;
  const held = checks.filter(({ holds }) => holds).length;
  return [
    `${thousands(settled.count)} payments of $${formatAmount(settled.value, 6)} in all settled in ${summary.transactions} transactions. What became of each:`,
    "",
    ...indented(formatOutcomes(summary, 0)),
    "",
    "Bad payments were found out before anything was sent, so they cost no gas and held up nobody.",
    "",
    `Gas of the same ${thousands(settled.count)} payments, measured on this chain from the same state:`,
    "",
    ...indented(comparison(demo)),
    "",
    ...money(demo).map((line) => `  ${line}`),
    "",
    "Checks:",
    ...checks.map(({ name, holds, found }) => `  ${holds ? "✓" : "✗"} ${name} (${found})`),
    "",
    `The payments:  ${demo.file}`,
    `Their results: ${demo.results}`,
    "",
    held === checks.length
      ? `Every figure adds up. ${seconds.toFixed(1)} s`
      : `${checks.length - held} of ${checks.length} checks failed. ${seconds.toFixed(1)} s`,
  ];
}

function comparison({ summary, oneByOne, multicall }: Demo): string[] {
  const row = (name: string, transactions: number, gas: bigint, payments: number) => {
    const less = 1000n - (gas * 1000n) / oneByOne.gasUsed;
    return [
      name,
      thousands(transactions),
      thousands(gas),
      payments === 0 ? "–" : thousands(gas / BigInt(payments)),
      gas === oneByOne.gasUsed ? "" : `${formatAmount(less, 1)} % less`,
    ];
  };
  const right = (title: string) => ({ title, align: "right" as const });
  return formatTable(
    [{ title: "" }, right("transactions"), right("gas"), right("gas per payment"), right("")],
    [
      row("Tributary", summary.transactions, summary.gasUsed, summary.settledNow.count),
      row("Multicall3 aggregate3", multicall.transactions, multicall.gasUsed, multicall.settled),
      row("one by one", oneByOne.transactions, oneByOne.gasUsed, oneByOne.settled),
    ],
  ).split("\n");
}

/** What that is in money on Base, on a usual day. */
const USUAL_GAS_PRICE_WEI = 5_000_000n;
const USUAL_ETHER_MICRO_USD = 3_000_000_000n;

function money({ summary, oneByOne }: Demo): string[] {
  const each = (gas: bigint, payments: number) => {
    const price = priceBatch({
      gas,
      gasPriceWei: USUAL_GAS_PRICE_WEI,
      l1FeeWei: 0n,
      payments,
      valueMicroUsd: 0n,
      etherMicroUsd: USUAL_ETHER_MICRO_USD,
    });
    return usd(price.usd?.perPaymentNano ?? 0n);
  };
  if (summary.settledNow.count === 0) return [];
  const batched = each(summary.gasUsed, summary.settledNow.count);
  return [
    `At 0.005 gwei per gas and $3,000 per ether that is ${batched} for a payment, and ${each(oneByOne.gasUsed, oneByOne.settled)} one by one.`,
    "Payments worth less than that belong into a channel; tributary plan tells which they are.",
  ];
}

function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`.trimEnd());
}

function thousands(value: number | bigint): string {
  return value.toLocaleString("en-US");
}

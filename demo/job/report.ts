import { formatOutcomes } from "../../src/cli/output/summary.ts";
import { formatAmount } from "../../src/money.ts";
import type { SettlementSummary } from "../../src/settlement/index.ts";
import { type Check, formatChecks, formatEnd, formatGas, formatMoney, indented, thousands } from "../figures.ts";
import type { Measurement } from "../measure.ts";
import { LEAST, MOST, PAYEES, PAYERS, PAYMENTS } from "./cast.ts";

export type JobDemo = {
  readonly summary: SettlementSummary;
  readonly oneByOne: Measurement;
  readonly multicall: Measurement;
  readonly checks: readonly Check[];
  readonly file: string;
  readonly results: string;
};

/** Tells what is about to happen. */
export function introduceJob(): string[] {
  const [least, most] = [formatAmount(LEAST, 6), formatAmount(MOST, 6)];
  return [
    "Tributary demo: many signed USDC payments, few transactions, on a local chain in this process",
    "",
    `${thousands(PAYMENTS)} payments of $${least} to $${most}, signed by ${PAYERS} payers for ${PAYEES} payees, some of them bad:`,
    "expired, not valid yet, drained, altered, nonce used, nonce cancelled, blocklisted, and payers whose code burns gas.",
    "",
  ];
}

/** Tells what happened. */
export function formatJob(demo: JobDemo, seconds: number): string[] {
  const { summary, checks, oneByOne, multicall } = demo;
  const { settledNow: settled, transactions, gasUsed } = summary;
  const ours = { transactions, gasUsed, settled: settled.count };
  return [
    `${thousands(settled.count)} payments of $${formatAmount(settled.value, 6)} in total settled in ${transactions} transactions. The outcome of each:`,
    "",
    ...indented(formatOutcomes(summary, 0)),
    "",
    "Bad payments were found before anything was sent, so they cost no gas and delayed nobody.",
    "",
    `Gas of the same ${thousands(settled.count)} payments, measured on this chain from the same state:`,
    "",
    ...indented(
      formatGas([
        { name: "Tributary", ...ours },
        { name: "Multicall3 aggregate3", ...multicall },
        { name: "one by one", ...oneByOne },
      ]),
    ),
    "",
    ...indented(formatMoney(ours, oneByOne)),
    "",
    ...formatChecks(checks),
    "",
    `The payments:  ${demo.file}`,
    `Their results: ${demo.results}`,
    "",
    formatEnd(checks, seconds),
  ];
}

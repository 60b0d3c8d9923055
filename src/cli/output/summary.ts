import { formatAmount, formatEtherBriefly } from "../../money.ts";
import type { SettlementReport, SettlementSummary, Tally } from "../../settlement/index.ts";
import { formatTable } from "./output.ts";
import { paint, type Tone } from "./terminal.ts";

/** How many transactions are shown one by one. All of them are in the results. */
const SHOWN = 20;

/** A settlement's figures for people, line by line. Amounts are those of a token with six decimals, such as USDC. */
export function formatSummary(
  summary: SettlementSummary,
  report: Pick<SettlementReport, "transactions" | "routerUsed">,
  refusedLines: number,
): string[] {
  const lines = formatOutcomes(summary, refusedLines);
  lines.push("");
  for (const { hash, kind, gasUsed, payments, settled, blockNumber } of report.transactions.slice(0, SHOWN)) {
    const via = kind === "router" ? "through the router" : "on the token";
    lines.push(`transaction ${hash} in block ${blockNumber}: ${settled} of ${payments} settled ${via}, ${gasUsed} gas`);
  }
  if (report.transactions.length > SHOWN) lines.push(`… and ${report.transactions.length - SHOWN} more transactions`);
  if (report.transactions.length > 0) {
    const each = summary.gasPerPayment === undefined ? "" : ` (${summary.gasPerPayment} per settled payment)`;
    const fee = `${formatEtherBriefly(summary.feeWei, "up")} ETH in fees`;
    lines.push(`${counted(summary.transactions, "transaction")}, ${summary.gasUsed} gas${each}, ${fee}`);
  }
  const before = summary.settledBefore.count + summary.settledElsewhere.count;
  if (summary.settledNow.count === 0) {
    const all = before === 1 ? "the one payment was" : `all ${before} payments were`;
    const why = before === summary.payments ? `: ${all} settled before` : "";
    lines.push(`nothing was settled by this run${why}`);
  }
  if (report.routerUsed === false) lines.push(NO_ROUTER);
  return lines;
}

/** Says why payments go one by one. */
export const NO_ROUTER =
  "there is no settlement router on this chain, so payments go one by one (tributary deploy deploys one)";

/** The table of outcomes. */
export function formatOutcomes(summary: SettlementSummary, refusedLines: number): string[] {
  const rows: [string, Tally, Tone][] = [
    ["settled", summary.settledNow, "good"],
    ["settled by an earlier run", summary.settledBefore, "good"],
    ["settled before, found on the chain", summary.settledElsewhere, "good"],
    ...summary.rejected.map(({ reason, ...tally }): [string, Tally, Tone] => [`rejected: ${reason}`, tally, "bad"]),
    ["not valid yet", summary.deferred, "open"],
    ["not attempted, run again", summary.notAttempted, "open"],
    ["outcome unknown, run again", summary.pending, "open"],
  ];
  const shown = rows.filter(([, { count }], index) => index === 0 || count > 0);
  return formatTable(
    [{ title: "outcome" }, { title: "payments", align: "right" }, { title: "USDC", align: "right" }],
    [
      ...shown.map(([name, { count, value }, tone]) => [
        count === 0 ? name : paint(tone, name),
        String(count),
        formatAmount(value, 6),
      ]),
      ...(refusedLines === 0 ? [] : [[paint("bad", "bad line in the file"), String(refusedLines), ""]]),
    ],
  ).split("\n");
}

/** `1 payment`, `2 payments`. */
export function counted(count: number, noun: string): string {
  return `${count} ${noun}${count === 1 ? "" : "s"}`;
}

import { formatEther } from "viem";
import { formatAmount } from "../../src/money.ts";
import type { SettlementReport, SettlementSummary, Tally } from "../../src/settlement/index.ts";
import { formatTable } from "./output.ts";

/** A settlement's figures for people, line by line. Amounts are of a token with six decimals, as USDC has. */
export function formatSummary(
  summary: SettlementSummary,
  report: Pick<SettlementReport, "transactions" | "routerUsed">,
  refusedLines: number,
): string[] {
  const rows: [string, Tally][] = [
    ["settled", summary.settledNow],
    ["settled by an earlier run", summary.settledBefore],
    ["settled by somebody else", summary.settledElsewhere],
    ...summary.rejected.map(({ reason, ...tally }): [string, Tally] => [`rejected: ${reason}`, tally]),
    ["not valid yet", summary.deferred],
    ["not attempted, run again", summary.notAttempted],
    ["outcome unknown, run again", summary.pending],
  ];
  const shown = rows.filter(([name, { count }], index) => index === 0 || (count > 0 && name !== ""));
  const lines = formatTable(
    [{ title: "outcome" }, { title: "payments", align: "right" }, { title: "USDC", align: "right" }],
    [
      ...shown.map(([name, { count, value }]) => [name, String(count), formatAmount(value, 6)]),
      ...(refusedLines === 0 ? [] : [["bad line in the file", String(refusedLines), ""]]),
    ],
  ).split("\n");

  for (const { hash, kind, gasUsed, payments, settled, blockNumber } of report.transactions) {
    const via = kind === "router" ? "through the router" : "on the token";
    lines.push(`transaction ${hash} in block ${blockNumber}: ${settled} of ${payments} settled ${via}, ${gasUsed} gas`);
  }
  if (summary.settledNow.count === 0) lines.push("nothing was settled by this run");
  else {
    lines.push(
      `${summary.transactions} transactions, ${summary.gasUsed} gas (${summary.gasPerPayment} per settled payment), ${formatEther(summary.feeWei)} ETH in fees`,
    );
  }
  if (!report.routerUsed) {
    lines.push(
      "there is no settlement router on this chain, so payments go one by one (tributary deploy puts one there)",
    );
  }
  return lines;
}

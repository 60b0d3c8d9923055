import { formatAmount } from "../../money.ts";
import type { SettlementReport } from "../../settlement/index.ts";
import { printJson, printLine } from "../output/output.ts";
import type { Change } from "./balances.ts";
import type { Options } from "./options.ts";

/** Prints what was settled, and how balances changed. */
export function tell(
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

import { formatAmount, formatEtherBriefly } from "../../money.ts";
import type { Network } from "../../networks.ts";
import { createStatementTotals, readStatement, type StatementTotals } from "../../settlement/reports/statement.ts";
import { withJournal } from "../connect/journal.ts";
import { openLines } from "../input/lineFile.ts";
import { csvLine } from "../output/csv.ts";
import { notice, toJson } from "../output/output.ts";
import { counted } from "../output/summary.ts";
import { COLUMNS, csvOf, fieldsOf } from "./fields.ts";

type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly format: "csv" | "json";
  readonly json?: true;
  readonly out?: string;
  readonly force?: true;
  readonly ethUsd: bigint;
};

/** Writes the statement to a file or to stdout, and its totals to stderr. */
export async function runExport(options: Options): Promise<void> {
  const format = options.json === true ? "json" : options.format;
  const chainId = options.network?.chainId;
  await withJournal(options, async (journal) => {
    const sink = await openLines(options.out, options.force === true);
    try {
      const totals = createStatementTotals();
      if (format === "csv") await sink.write(csvLine(COLUMNS));
      for await (const line of readStatement(journal, { chainId, etherMicroUsd: options.ethUsd })) {
        totals.add(line);
        await sink.write(format === "csv" ? csvOf(line) : toJson(fieldsOf(line)));
        if (sink.isClosed()) return;
      }
      await sink.finish();
      for (const text of describe(await totals.finish(journal, chainId))) notice(text);
    } catch (error) {
      await sink.discard();
      throw error;
    }
  });
}

function describe(totals: StatementTotals): string[] {
  const { payments, settled, settledValue, feesWei, feeSharesWei, gasUsed, transactions } = totals;
  const values = [...settledValue].map(([token, value]) => `${formatAmount(value, 6)} of ${token}`);
  const rest = feesWei - feeSharesWei;
  const calls = [...totals.calls].map(
    ([what, { count, value }]) => `${counted(count, what)} (${formatAmount(value, 6)})`,
  );
  return [
    `${counted(payments, "payment")}, of which ${settled} settled here${values.length === 0 ? "" : `: ${values.join(", ")}`}`,
    ...(calls.length === 0 ? [] : [calls.join(", ")]),
    `${counted(transactions, "transaction")}, ${gasUsed} gas, ${formatEtherBriefly(feesWei, "up")} ETH in fees` +
      (rest === 0n ? "" : `, of which ${formatEtherBriefly(rest, "up")} for what did not settle`),
  ];
}

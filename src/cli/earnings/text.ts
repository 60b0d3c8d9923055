import { stripVTControlCharacters } from "node:util";
import { formatAmount, formatEtherBriefly } from "../../money.ts";
import type { Earnings, EarningsAmounts, EarningsRow } from "../../settlement/reports/earnings/index.ts";
import { type CsvValue, csvLine } from "../output/csv.ts";
import { formatTable, notice, toJson } from "../output/output.ts";
import { widthOf } from "../output/terminal.ts";
import type { Options } from "./options.ts";

/** The lines of a report, in the chosen format. */
export function* linesOf(earnings: Earnings, { format, json, out }: Options): Generator<string> {
  const { rows, totals, otherwise, difference } = earnings;
  if (json === true) {
    yield toJson({
      chainId: earnings.chainId,
      token: earnings.token,
      rows: rows.map((row) => ({ ...row, merchant: row.merchant ?? null })),
      totals,
      otherwise: otherwise ?? null,
      difference: difference ?? null,
    });
    return;
  }
  if (format === "text") {
    if (out === undefined) yield* describe(earnings, widthOf());
    // A file is as wide as it needs, and has no colours.
    else for (const line of describe(earnings, Number.POSITIVE_INFINITY)) yield stripVTControlCharacters(line);
    return;
  }
  if (format === "csv") yield csvLine(COLUMNS);
  for (const row of rows) {
    const fields = fieldsOf(earnings, row);
    yield format === "csv" ? csvLine(COLUMNS.map((column) => fields[column])) : toJson(fields);
  }
  notice(`earned ${formatAmount(totals.earned, 6)}, paid out ${formatAmount(totals.paidOut, 6)}`);
}

const AMOUNTS = ["earned", "onItsWay", "unclaimed", "unswept", "paidOut"] as const;

/** Stable: other programs read them. Amounts are in atomic units. */
const COLUMNS = ["day", "chainId", "token", "payee", "merchant", ...AMOUNTS, "gas", "feeWei"] as const;

function fieldsOf(
  { chainId, token }: Earnings,
  row: EarningsRow,
): Readonly<Record<(typeof COLUMNS)[number], CsvValue>> {
  return { ...row, chainId, token, merchant: row.merchant ?? null };
}

function* describe(
  { rows, totals, otherwise, difference = 0n, token }: Earnings,
  width: number | undefined,
): Generator<string> {
  const right = (title: string) => ({ title, align: "right" as const });
  const isKnown = rows.some(({ merchant }) => merchant !== undefined);
  const cells = (amounts: EarningsAmounts) => [
    ...AMOUNTS.map((name) => formatAmount(amounts[name], 6)),
    String(amounts.gas),
    formatEtherBriefly(amounts.feeWei, "up"),
  ];
  const merchantCell = (text: string) => (isKnown ? [text] : []);
  yield formatTable(
    [
      { title: "day" },
      { title: "payee" },
      ...(isKnown ? [{ title: "merchant" }] : []),
      ...["earned", "on its way", "unclaimed", "unswept", "paid out", "gas", "fees in ETH"].map(right),
    ],
    [
      ...rows.map((row) => [row.day, row.payee, ...merchantCell(row.merchant ?? "–"), ...cells(row)]),
      ["total", "", ...merchantCell(""), ...cells(totals)],
    ],
    width,
  );
  yield "";
  yield `amounts of ${token}; days in UTC`;
  if (otherwise !== undefined && otherwise.gas !== 0n) {
    yield `${otherwise.gas} gas and ${formatEtherBriefly(otherwise.feeWei, "up")} ETH besides: for what did not settle, and for other tokens`;
  }
  if (difference > 0n) {
    yield `${formatAmount(difference, 6)} of what was earned was claimed in blocks that no keeper has read: tributary channels keep reads new ones, and earlier ones with --from-block`;
  } else if (difference < 0n) {
    yield `${formatAmount(-difference, 6)} of what was paid out came through channels that this journal does not know`;
  }
}

import { stripVTControlCharacters } from "node:util";
import { Command, InvalidArgumentError, Option } from "commander";
import { type Address, isAddressEqual } from "viem";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { asUsageAsync, UsageError } from "../src/cli/exit/errors.ts";
import { readMerchants } from "../src/cli/facilitator/merchantsFile.ts";
import { openLines } from "../src/cli/input/lineFile.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, addresses, jsonOption, network } from "../src/cli/options/options.ts";
import { type CsvValue, csvLine } from "../src/cli/output/csv.ts";
import { formatTable, notice, toJson } from "../src/cli/output/output.ts";
import { widthOf } from "../src/cli/output/terminal.ts";
import type { Journal } from "../src/journal/index.ts";
import { formatAmount, formatEtherBriefly } from "../src/money.ts";
import { type Network, networkOf, networks } from "../src/networks.ts";
import {
  type Earnings,
  type EarningsAmounts,
  type EarningsRow,
  readEarnings,
} from "../src/settlement/reports/earnings/index.ts";

type Format = "text" | "csv" | "json";
type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly since?: string;
  readonly until?: string;
  readonly payee?: readonly Address[];
  readonly merchant?: readonly string[];
  readonly merchants?: string;
  readonly format: Format;
  readonly json?: true;
  readonly out?: string;
  readonly force?: true;
};

/** `tributary earnings`: what a seller earned, and where it is. Asks no node and needs no key. */
export function earningsCommand(): Command {
  return new Command("earnings")
    .description(
      "Show what was earned by day (UTC), payee and merchant, over batches and channels: earned, on its way, unclaimed, unswept, " +
        "paid out, and the gas and fees of this journal's transactions. Over all days, earned is unclaimed + unswept + paid out.",
    )
    .option("--since <day>", "the first day, such as 2026-11-01", day)
    .option("--until <day>", "the last day, included", day)
    .option("--payee <address>", "of this payee only; may be repeated", addresses)
    .option("--merchant <id>", "of this merchant only; may be repeated", merchantIds)
    .option("--merchants <file>", "the facilitator's merchants: says whose the payees are that they receive at")
    .option("--token <address>", "the token (default: the network's USDC)", address)
    .option("--network <name>", "of this network (default: the one that the journal sent on)", network)
    .addOption(journalOption())
    .addOption(
      new Option("--format <format>", "json: one object to a line").choices(["text", "csv", "json"]).default("text"),
    )
    .option("--out <file>", "where it goes (default: stdout)")
    .option("--force", "replace the file")
    .addOption(jsonOption())
    .addHelpText("after", examples("earnings --since 2026-11-01", "earnings --format csv --out earnings.csv"))
    .action(runEarnings);
}

async function runEarnings(options: Options): Promise<void> {
  const merchantOf = await merchantsIn(options.merchants);
  await withJournal(options, async (journal) => {
    const { chainId } = options.network ?? (await networkIn(journal));
    const token = options.token ?? networkOf(chainId)?.usdc.address;
    if (token === undefined) {
      throw new UsageError(`Which token? No USDC is known on chain ${chainId}.`, { hint: "Name it with --token." });
    }
    const { since, until, payee: payees, merchant: merchants } = options;
    const earnings = await asUsageAsync(
      readEarnings(journal, { chainId, token, since, until, payees, merchants, merchantOf }),
    );
    const sink = await openLines(options.out, options.force === true);
    try {
      for (const line of linesOf(earnings, options)) await sink.write(line);
      await sink.finish();
    } catch (error) {
      await sink.discard();
      throw error;
    }
  });
}

function* linesOf(earnings: Earnings, { format, json, out }: Options): Generator<string> {
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
  yield `amounts of ${token}; days are those of UTC`;
  if (otherwise !== undefined && otherwise.gas !== 0n) {
    yield `${otherwise.gas} gas and ${formatEtherBriefly(otherwise.feeWei, "up")} ETH beside that: for what did not settle, and for other tokens`;
  }
  if (difference > 0n) {
    yield `${formatAmount(difference, 6)} of what was earned was claimed in blocks that no keeper has read: channels keep reads on, and earlier ones with --from-block`;
  } else if (difference < 0n) {
    yield `${formatAmount(-difference, 6)} of what was paid out came through channels that this journal does not know`;
  }
}

/** The only network that the journal sent on. */
async function networkIn(journal: Journal): Promise<{ readonly chainId: number }> {
  const chains = [...new Set((await journal.senders()).map(({ chainId }) => chainId))];
  const [only] = chains;
  if (only === undefined) return networks.baseSepolia;
  if (chains.length === 1) return { chainId: only };
  throw new UsageError(`The journal sent on the chains ${chains.join(", ")}.`, { hint: "Choose one with --network." });
}

async function merchantsIn(file: string | undefined): Promise<((payee: Address) => string | undefined) | undefined> {
  if (file === undefined) return undefined;
  const merchants = await readMerchants(file);
  return (payee) =>
    merchants.find(({ receivers }) => receivers.some((receiver) => isAddressEqual(receiver, payee)))?.id;
}

function day(text: string): string {
  if (/^\d{4}-\d{2}-\d{2}$/.test(text) && !Number.isNaN(Date.parse(text))) return text;
  throw new InvalidArgumentError("Write a day as 2026-11-30; days are those of UTC.");
}

function merchantIds(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text];
}

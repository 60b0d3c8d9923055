import { Command, Option } from "commander";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { openLines } from "../src/cli/input/lineFile.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption, network, usdcAmount } from "../src/cli/options/options.ts";
import { type CsvValue, csvLine } from "../src/cli/output/csv.ts";
import { notice, toJson } from "../src/cli/output/output.ts";
import { time } from "../src/cli/output/paymentText.ts";
import { counted } from "../src/cli/output/summary.ts";
import { formatAmount, formatEtherBriefly } from "../src/money.ts";
import type { Network } from "../src/networks.ts";
import {
  createStatementTotals,
  readStatement,
  type StatementLine,
  type StatementTotals,
} from "../src/settlement/reports/statement.ts";

type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly format: "csv" | "json";
  readonly json?: true;
  readonly out?: string;
  readonly force?: true;
  readonly ethUsd: bigint;
};

const ETHER_USD = 3000_000_000n;

/** `tributary export`: the journal as a statement. Asks no node and needs no key. */
export function exportCommand(): Command {
  return new Command("export")
    .description(
      "Write a statement of the journal: every payment, deposit, claim, sweep and refund, its batch, its outcome, and its share " +
        "of the gas in gas, ether and dollars.",
    )
    .addOption(journalOption())
    .option("--network <name>", "payments of this network only", network)
    .addOption(new Option("--format <format>", "json: one object to a line").choices(["csv", "json"]).default("csv"))
    .option("--out <file>", "where it goes (default: stdout)")
    .option("--force", "replace the file")
    .addOption(
      new Option("--eth-usd <usd>", "price of one ether in US dollars")
        .argParser(usdcAmount)
        .default(ETHER_USD, "3000"),
    )
    .addOption(jsonOption())
    .addHelpText("after", examples("export --out statement.csv", "export --format json --eth-usd 2500"))
    .action(runExport);
}

async function runExport(options: Options): Promise<void> {
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

/** Stable: other programs read them. */
const COLUMNS = [
  "id",
  "chainId",
  "token",
  "from",
  "to",
  "value",
  "amount",
  "nonce",
  "validBefore",
  "state",
  "reason",
  "batchId",
  "kind",
  "sender",
  "txNonce",
  "transactionHash",
  "blockNumber",
  "logIndex",
  "level",
  "gasShare",
  "feeShareWei",
  "feeShareUsd",
  "source",
  "acceptedAt",
  "updatedAt",
  "what",
  "payee",
  "channels",
] as const;

function fieldsOf(line: StatementLine): Readonly<Record<(typeof COLUMNS)[number], CsvValue>> {
  return {
    id: line.id,
    chainId: line.chainId,
    token: line.token ?? null,
    from: line.from ?? null,
    to: line.to,
    value: line.value ?? null,
    // USDC has six decimals, on every chain.
    amount: line.value === undefined ? null : formatAmount(line.value, 6),
    nonce: line.nonce ?? null,
    validBefore: line.validBeforeSeconds,
    state: line.state,
    reason: line.reason ?? null,
    batchId: line.batchId ?? null,
    kind: line.kind ?? null,
    sender: line.sender ?? null,
    txNonce: line.txNonce ?? null,
    transactionHash: line.transactionHash ?? null,
    blockNumber: line.blockNumber ?? null,
    logIndex: line.logIndex ?? null,
    level: line.level ?? null,
    gasShare: line.gasShare ?? null,
    feeShareWei: line.feeShareWei ?? null,
    feeShareUsd: line.feeShareNanoUsd === undefined ? null : formatAmount(line.feeShareNanoUsd, 9),
    source: line.source ?? null,
    acceptedAt: time(line.acceptedAtMs),
    updatedAt: time(line.updatedAtMs),
    what: line.what,
    payee: line.payee ?? null,
    channels: line.channelIds.length === 0 ? null : line.channelIds.join(" "),
  };
}

function csvOf(line: StatementLine): string {
  const fields = fieldsOf(line);
  return csvLine(COLUMNS.map((column) => fields[column]));
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

import { Command, Option } from "commander";
import { journalOption } from "../src/cli/connect/journal.ts";
import { runExport } from "../src/cli/export/run.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption, network, usdcAmount } from "../src/cli/options/options.ts";

const ETHER_USD = 3000_000_000n;

/** `tributary export`: the journal as a statement. Needs no node and no key. */
export function exportCommand(): Command {
  return new Command("export")
    .description(
      "Write a statement of the journal: every payment, deposit, claim, sweep and refund, its batch, its outcome, and its share " +
        "of the gas in gas, ether and dollars.",
    )
    .addOption(journalOption())
    .option("--network <name>", "payments of this network only", network)
    .addOption(new Option("--format <format>", "json: one object per line").choices(["csv", "json"]).default("csv"))
    .option("--out <file>", "file to write (default: stdout)")
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

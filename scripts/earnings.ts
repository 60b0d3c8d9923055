import { Command, Option } from "commander";
import { journalOption } from "../src/cli/connect/journal.ts";
import { day, merchantIds } from "../src/cli/earnings/options.ts";
import { runEarnings } from "../src/cli/earnings/run.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, addresses, jsonOption, network } from "../src/cli/options/options.ts";

/** `tributary earnings`: what a seller earned, and where the money is. Needs no node and no key. */
export function earningsCommand(): Command {
  return new Command("earnings")
    .description(
      "Show what was earned by day (UTC), payee and merchant, in batches and channels: earned, on its way, unclaimed, unswept, " +
        "paid out, and the gas and fees of this journal's transactions. Over all days, earned is unclaimed + unswept + paid out.",
    )
    .option("--since <day>", "the first day, such as 2026-11-01", day)
    .option("--until <day>", "the last day, included", day)
    .option("--payee <address>", "of this payee only; may be repeated", addresses)
    .option("--merchant <id>", "of this merchant only; may be repeated", merchantIds)
    .option("--merchants <file>", "the facilitator's merchants, to name the merchant of each payee")
    .option("--token <address>", "the token (default: the network's USDC)", address)
    .option("--network <name>", "of this network (default: the one that the journal sent on)", network)
    .addOption(journalOption())
    .addOption(
      new Option("--format <format>", "json: one object per line").choices(["text", "csv", "json"]).default("text"),
    )
    .option("--out <file>", "file to write (default: stdout)")
    .option("--force", "replace the file")
    .addOption(jsonOption())
    .addHelpText("after", examples("earnings --since 2026-11-01", "earnings --format csv --out earnings.csv"))
    .action(runEarnings);
}

import { Command, Option } from "commander";
import { rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { nodeOption, withPolicyOptions } from "../src/cli/connect/engine.ts";
import { journalOption } from "../src/cli/connect/journal.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, integer, jsonOption, keystoreOption, network, rpcUrlOption } from "../src/cli/options/options.ts";
import { runSettle } from "../src/cli/settle/run.ts";

/** `tributary settle`: settles a file of payments, or payments as they come. */
export function settleCommand(): Command {
  const command = new Command("settle")
    .description(
      "Settle a file of signed payments in as few transactions as possible, or with --watch payments as they come. Run it " +
        "again at any time: it continues what an earlier run left open, and nothing is settled twice.",
    )
    .argument("[file]", "one authorization, x402 payload or x402 header per line (- for standard input)")
    .option(
      "--watch <folder>",
      "read the *.jsonl files of a folder as they grow, or - for standard input, until Ctrl-C",
    )
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .addOption(nodeOption())
    .option("--network <name>", "network of payments that name none; refuse a node on any other", network)
    .option("--token <address>", "token of payments that name none (default: the network's USDC)", address)
    .addOption(keystoreOption())
    .addOption(journalOption())
    .option("--out <file>", "where the results go (default: <file>.results.jsonl; with --watch they are appended)")
    .option("--strict", "refuse the file if any line of it is bad");
  return withPolicyOptions(command)
    .addOption(
      new Option("--wait <seconds>", "how long to wait without progress before open payments are left to the next run")
        .argParser(integer(1, 3600))
        .default(120),
    )
    .addOption(
      new Option("--status-every <seconds>", "with --watch: time between two lines of status")
        .argParser(integer(1, 86_400))
        .default(10),
    )
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("settle payments.jsonl", "settle --watch inbox", "sign … | tributary settle --watch -"),
    )
    .action(runSettle);
}

import { Command } from "commander";
import { rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { journalOption } from "../src/cli/connect/journal.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, addresses, integer, jsonOption, network, rpcUrlOption } from "../src/cli/options/options.ts";
import { runReconcile } from "../src/cli/reconcile/run.ts";

/** `tributary reconcile`: compares the journal with the chain. */
export function reconcileCommand(): Command {
  return new Command("reconcile")
    .description(
      "Compare what the journal says was settled in a block range with the token's logs and balances, for each payee and " +
        "each payer, and its channels' claims, sweeps and refunds with the channel contract's. Exit code 5 if they differ.",
    )
    .requiredOption("--from-block <number>", "first block", integer(0))
    .option("--to-block <number>", "last block (default: the newest)", integer(0))
    .option(
      "--payee <address>",
      "payments to this payee only; may be repeated (default: all of the journal)",
      addresses,
    )
    .option("--token <address>", "the token (default: the network's USDC)", address)
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "refuse a node on any other network", network)
    .addOption(journalOption())
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("reconcile --from-block 31000000 --to-block 31043200", "reconcile --from-block 0 --json"),
    )
    .action(runReconcile);
}

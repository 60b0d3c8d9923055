import { Command } from "commander";
import { runAccounts } from "../src/cli/accounts/run.ts";
import { rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { journalOption } from "../src/cli/connect/journal.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption, network, rpcUrlOption } from "../src/cli/options/options.ts";

/** `tributary accounts`: the sending keys of the journal. Needs no key and takes no lease. */
export function accountsCommand(): Command {
  return new Command("accounts")
    .description(
      "Show the keys that the journal has sent from: txNonce, balance, what is in flight, and who has the lease.",
    )
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "refuse a node on any other network", network)
    .addOption(journalOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("accounts", "accounts --json"))
    .action(runAccounts);
}

import { Command } from "commander";
import { rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { journalOption } from "../src/cli/connect/journal.ts";
import { runInspect } from "../src/cli/inspect/run.ts";
import { ITEMS_SHOWN } from "../src/cli/inspect/text.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, jsonOption, rpcUrlOption } from "../src/cli/options/options.ts";

/** `tributary inspect`: what a settlement transaction did. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description(
      "Show what a settlement transaction carried and what became of each payment, from its calldata and its own logs. If " +
        "the journal knows it, every transaction that was signed in its place is shown too, with its fee and its age.",
    )
    .argument("<what>", "hash of a transaction; with a journal also a payment's number, nonce, identity or request id")
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .addOption(journalOption())
    .option("--router <address>", "router to use instead of the one at the usual address", address)
    .option("--all", `show every payment, not only the first ${ITEMS_SHOWN}`)
    .addOption(jsonOption())
    .addHelpText("after", examples("inspect 0x5f3c…9a1e", "inspect 17", "inspect 0x5f3c…9a1e --json"))
    .action(runInspect);
}

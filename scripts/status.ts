import { Command } from "commander";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, jsonOption, network } from "../src/cli/options/options.ts";
import { LINES_SHOWN } from "../src/cli/status/file.ts";
import { showJournal } from "../src/cli/status/journal.ts";
import { type Options, show } from "../src/cli/status/run.ts";

/** `tributary status`: shows what the journal knows. Needs no node and no key. */
export function statusCommand(): Command {
  return new Command("status")
    .description(
      "Show what the journal knows: of everything, of one payment with its history, its evidence and every transaction that was " +
        "signed for it, of one transaction with its payments, or of each line of a file.",
    )
    .argument(
      "[what]",
      "a payment's number, nonce, identity, request id or source, the hash of a transaction, or a file of payments",
    )
    .addOption(journalOption())
    .option("--network <name>", "network of a file's payments that name none", network)
    .option("--token <address>", "token of a file's payments that name none", address)
    .option("--all", `show everything in a file or a transaction, not only the first ${LINES_SHOWN}`)
    .addOption(jsonOption())
    .addHelpText("after", examples("status", "status 17", "status 0x5f3c…9a1e", "status payments.jsonl --json"))
    .action((what: string | undefined, options: Options) =>
      withJournal(options, async (journal) => {
        if (what === undefined) await showJournal(journal, options.json === true);
        else await show(journal, what, options);
      }),
    );
}

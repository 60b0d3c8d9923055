import { Command } from "commander";
import { claimCommand, refundCommand, sweepCommand } from "../src/cli/channels/act.ts";
import { keepCommand } from "../src/cli/channels/keep.ts";
import { exportCommand, listCommand, showCommand } from "../src/cli/channels/read.ts";
import { examples } from "../src/cli/options/examples.ts";

/** `tributary channels`: the merchant's side of x402 channels. */
export function channelsCommand(): Command {
  const command = new Command("channels").description(
    "Keep the payment channels (x402 batch-settlement) that a resource server has in the journal: claim what is earned, " +
      "sweep it, and give back what is not.",
  );
  for (const one of [
    keepCommand(),
    listCommand(),
    showCommand(),
    claimCommand(),
    sweepCommand(),
    refundCommand(),
    exportCommand(),
  ]) {
    command.addCommand(one);
  }
  return command.addHelpText(
    "after",
    examples("channels keep", "channels list", "channels export --out vouchers.jsonl"),
  );
}

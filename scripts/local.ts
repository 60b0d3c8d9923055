import { Command } from "commander";
import { runLocal } from "../src/cli/local/run.ts";
import { examples } from "../src/cli/options/examples.ts";
import { integer, jsonOption, seconds, share } from "../src/cli/options/options.ts";

/** `tributary local`: runs the local chain until it is interrupted. */
export function localCommand(): Command {
  return new Command("local")
    .description("Start a local chain that clients take for Base Sepolia, with test USDC, until Ctrl-C.")
    .option("--port <number>", "port on 127.0.0.1; 0 picks a free one", integer(0, 65_535), 8545)
    .option("--block-time <seconds>", "time between blocks; 0 mines every transaction at once", seconds(3600), 2)
    .option(
      "--preconfirm <milliseconds>",
      "time between preconfirmations, 200 as Flashblocks have; 0 has none",
      integer(0, 3_600_000),
      0,
    )
    .option("--taken-back <share>", "share of the preconfirmed transactions that are left out of their block", share, 0)
    .option("--bare", "leave the settlement router out, to try a deployment")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("local --block-time 0", "local --port 0 --json", "local --preconfirm 200 --taken-back 0.05"),
    )
    .action(runLocal);
}

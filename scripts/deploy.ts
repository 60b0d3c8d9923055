import { Command } from "commander";
import { runDeploy } from "../src/cli/deploy/run.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption, keystoreOption, network, rpcUrlOption } from "../src/cli/options/options.ts";

/** `tributary deploy`: puts the router at its address. */
export function deployCommand(): Command {
  return new Command("deploy")
    .description(
      "Deploy the settlement router to its one address with Ignition and CREATE2, or report that it is there, and check its " +
        "code. The journal of a real network's deployment is kept; a local chain's is not.",
    )
    .addOption(rpcUrlOption())
    .option("--network <name>", "refuse any other network than this, such as baseSepolia or base", network)
    .addOption(keystoreOption())
    .option("--deployment-dir <dir>", "keep Ignition's journal in <dir>/deployments/chain-<id> (default: ignition)")
    .option("--yes", "do not ask before deploying to a real network")
    .option("--verify", "have the explorer verify the source code (needs ETHERSCAN_API_KEY and a checkout)")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("deploy", "deploy --network baseSepolia --rpc-url https://sepolia.base.org --verify"),
    )
    .action(runDeploy);
}

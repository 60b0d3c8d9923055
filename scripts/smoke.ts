import { Command } from "commander";
import { examples } from "../src/cli/options/examples.ts";
import {
  address,
  integer,
  jsonOption,
  keystoreOption,
  network,
  rpcUrlOption,
  usdcAmount,
} from "../src/cli/options/options.ts";
import { runSmoke } from "../src/cli/smoke/run.ts";

/** `tributary smoke`: goes from a funded key to settled payments. */
export function smokeCommand(): Command {
  return new Command("smoke")
    .description("Try a network with a funded key: doctor, deploy if needed, sign a few payments, settle them.")
    .addOption(rpcUrlOption())
    .option("--network <name>", "network that the node should serve, such as baseSepolia", network)
    .addOption(keystoreOption())
    .option("--payee <address>", "who is paid (default: a new address whose key nobody has)", address)
    .option("--count <number>", "how many payments", integer(2, 50), 3)
    .option("--amount <usdc>", "amount of each", usdcAmount, 100n)
    .option("--deployment-dir <dir>", "folder of a deployment's journal; see deploy")
    .option("--report <file>", "write a report of the run to this new file; it holds no secrets")
    .option("--yes", "do not ask before deploying to a real network")
    .addOption(jsonOption())
    .addHelpText("after", examples("smoke --network baseSepolia --report smoke.json"))
    .action(runSmoke);
}

import { Command } from "commander";
import { addListeningOptions } from "../src/cli/connect/listening.ts";
import { addLimitOptions } from "../src/cli/facilitator/limits.ts";
import { addFacilitatorOptions } from "../src/cli/facilitator/options.ts";
import { runFacilitator } from "../src/cli/facilitator/run.ts";
import { examples } from "../src/cli/options/examples.ts";

/** `tributary facilitator`: runs an x402 facilitator until it is interrupted. */
export function facilitatorCommand(): Command {
  const command = new Command("facilitator").description(
    "Run an x402 facilitator (v1 and v2, schemes exact and batch-settlement) whose settlements share transactions, until " +
      "Ctrl-C. On the local chain of tributary local it needs no configuration.",
  );
  return addFacilitatorOptions(addListeningOptions(addLimitOptions(command)))
    .addHelpText("after", examples("facilitator", "facilitator --network base-sepolia --keystore key.json --port 80"))
    .action(runFacilitator);
}

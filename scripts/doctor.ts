import { Command } from "commander";
import type { Address } from "viem";
import { signerAddress } from "../src/cli/doctor/signer.ts";
import { formatReport } from "../src/cli/doctor/text.ts";
import { withHints } from "../src/cli/exit/hints.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, jsonOption, keystoreOption, network, rpcUrlOption } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { runDoctor } from "../src/doctor/index.ts";
import type { Network } from "../src/networks.ts";

type Options = {
  readonly rpcUrl: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly signer?: Address;
  readonly keystore?: string;
  readonly json?: true;
};

/** `tributary doctor`: checks everything that settling depends on. */
export function doctorCommand(): Command {
  return new Command("doctor")
    .description("Check the node, the router, the token and the signer, up to a dry run of a batch. Sends nothing.")
    .addOption(rpcUrlOption())
    .option("--network <name>", "network that the node should serve, such as baseSepolia or base", network)
    .option("--token <address>", "token to settle (default: the network's USDC)", address)
    .option("--signer <address>", "account that would send, instead of a key's", address)
    .addOption(keystoreOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("doctor", "doctor --network baseSepolia --rpc-url https://sepolia.base.org"))
    .action(async ({ json, keystore, signer, rpcUrl, ...options }: Options) => {
      const sender = signer ?? (await signerAddress(keystore, rpcUrl));
      const report = withHints(await runDoctor(rpcUrl, { ...options, sender }));
      if (json === true) printJson(report);
      else for (const line of formatReport(report)) printLine(line);
      currentRun().exitCode = report.healthy ? EXIT.done : EXIT.check;
    });
}

import { Command } from "commander";
import type { Address } from "viem";
import { asUsageAsync } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, isLoopback, jsonOption, keystoreOption, network, rpcUrlOption } from "../src/cli/options/options.ts";
import { namedSigner } from "../src/cli/options/signer.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { paint } from "../src/cli/output/terminal.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun, type Output } from "../src/cli/process/surroundings.ts";
import { type DoctorReport, runDoctor } from "../src/doctor/index.ts";
import { keystoreAddress } from "../src/keystore.ts";
import { deriveAccounts, TEST_MNEMONIC } from "../src/local/accounts.ts";
import type { Network } from "../src/networks.ts";

type Options = {
  readonly rpcUrl: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly signer?: Address;
  readonly keystore?: string;
  readonly json?: true;
};

/** `tributary doctor`: checks everything that settling stands on. */
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
    .action(async ({ json, keystore, signer, ...options }: Options) => {
      const sender = signer ?? (await signerAddress(keystore, options.rpcUrl));
      const report = await runDoctor({ ...options, sender });
      if (json === true) printJson(report);
      else for (const line of formatReport(report)) printLine(line);
      currentRun().exitCode = report.healthy ? EXIT.done : EXIT.check;
    });
}

/** The key's address, else on a local chain that of test account 0, which commands then send from. */
async function signerAddress(keystore: string | undefined, rpcUrl: string): Promise<Address | undefined> {
  // Most keystores name their address, so that no passphrase is needed.
  const written = keystore === undefined ? undefined : await asUsageAsync(keystoreAddress(keystore));
  if (written !== undefined) return written;
  const named = await namedSigner(keystore);
  if (named !== undefined) return named.address;
  return isLoopback(rpcUrl) ? deriveAccounts(TEST_MNEMONIC, 1)[0]?.address : undefined;
}

const TONES = { ok: "good", warn: "open", fail: "bad" } as const;

/** One line for each check, and one more for how to mend it. */
export function formatReport({ checks }: DoctorReport, stream: Output = currentRun().stdout): string[] {
  const width = Math.max(...checks.map(({ name }) => name.length));
  const lines = checks.flatMap(({ name, status, found, fix }) => {
    const line = `${paint(TONES[status], status.padEnd(4), stream)}  ${name.padEnd(width)}  ${found}`;
    return fix === undefined ? [line] : [line, `${" ".repeat(width + 8)}→ ${fix}`];
  });
  const count = (wanted: string) => checks.filter(({ status }) => status === wanted).length;
  return [...lines, "", `${count("ok")} ok, ${count("warn")} to look at, ${count("fail")} failed`];
}

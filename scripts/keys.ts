import { Command } from "commander";
import { generatePrivateKey, privateKeyToAddress } from "viem/accounts";
import { asUsageAsync, UsageError } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption } from "../src/cli/options/options.ts";
import { readPassphrase } from "../src/cli/options/secrets.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { createKeystore, keystoreAddress, readKeystore } from "../src/keystore.ts";

type NewOptions = { readonly out?: string; readonly json?: true };
type ShowOptions = { readonly reveal?: true; readonly json?: true };

const PASSPHRASE = "\nThe passphrase is asked for, or comes from KEYSTORE_PASSPHRASE in the environment.";

/** `tributary keys`: keystore files. */
export function keysCommand(): Command {
  const make = new Command("new")
    .description("Make a new key and keep it in an encrypted file, which is never replaced.")
    .option("--out <file>", "the file (default: <address>.keystore.json)")
    .addOption(jsonOption())
    .addHelpText("after", `${PASSPHRASE}\n${examples("keys new --out settler.json")}`)
    .action(runNew);
  const show = new Command("show")
    .description("Print the address of a keystore file.")
    .argument("<file>", "the keystore")
    .option("--reveal", "also print the private key; on a terminal only")
    .addOption(jsonOption())
    .addHelpText("after", `${PASSPHRASE}\n${examples("keys show settler.json")}`)
    .action(runShow);
  return new Command("keys")
    .description("Make and show encrypted keystore files (Web3 Secret Storage, version 3).")
    .addCommand(make)
    .addCommand(show)
    .addHelpText("after", examples("keys new --out settler.json", "keys show settler.json"));
}

async function runNew({ out, json }: NewOptions): Promise<void> {
  const passphrase = await readPassphrase("new");
  const privateKey = generatePrivateKey();
  const file = out ?? `${privateKeyToAddress(privateKey)}.keystore.json`;
  const address = await asUsageAsync(createKeystore(file, privateKey, passphrase));
  if (json === true) printJson({ address, file });
  else printLine(`${address} in ${file}`);
}

async function runShow(file: string, { reveal, json }: ShowOptions): Promise<void> {
  if (reveal === true && (json === true || !currentRun().stdout.isTTY)) {
    throw new UsageError("--reveal prints a private key, and only on a terminal.", {
      hint: "Leave out --json and do not redirect the output.",
    });
  }
  const named = await asUsageAsync(keystoreAddress(file));
  // If the file names no address, or the key is wanted, the keystore is opened.
  const privateKey =
    reveal === true || named === undefined
      ? await asUsageAsync(readKeystore(file, await readPassphrase("existing")))
      : undefined;
  const address = privateKey === undefined ? named : privateKeyToAddress(privateKey);
  if (json === true) printJson({ address, file });
  else printLine(address);
  if (reveal === true && privateKey !== undefined) printLine(`private key: ${privateKey}`);
}

import { Command, Option } from "commander";
import { paymentFormats } from "../src/cli/input/paymentFormats.ts";
import { examples } from "../src/cli/options/examples.ts";
import {
  address,
  addresses,
  integer,
  keystoreOption,
  network,
  unixSeconds,
  usdcAmount,
} from "../src/cli/options/options.ts";
import { runSign } from "../src/cli/sign/run.ts";

const MAX_COUNT = 10_000_000;

/** `tributary sign`: makes signed payments. */
export function signCommand(): Command {
  return new Command("sign")
    .description(
      "Sign payments, one per line. The key comes from --keystore, else from MNEMONIC or PRIVATE_KEY in the environment. " +
        "Payers take turns; payees and amounts are drawn at random.",
    )
    .option("--payee <address>", "who is paid; repeat it for several", addresses)
    .option("--amount <usdc>", "amount of each payment, such as 0.01", usdcAmount)
    .option("--min-amount <usdc>", "smallest amount, with --max-amount", usdcAmount)
    .option("--max-amount <usdc>", "largest amount, with --min-amount", usdcAmount)
    .option("--count <number>", "how many payments", integer(1, MAX_COUNT), 1)
    .option("--payers <number>", "how many accounts of MNEMONIC pay", integer(1, 100_000), 1)
    .option("--first-index <number>", "index of the first of them", integer(0, 2 ** 31 - 1), 0)
    .option("--valid-for <seconds>", "validity from now on", integer(1, 10 * 365 * 86_400), 3600)
    .option("--valid-after <time>", "valid after this time, in Unix seconds (default: 0)", unixSeconds)
    .addOption(
      new Option("--valid-before <time>", "valid before this time, in Unix seconds")
        .argParser(unixSeconds)
        .conflicts("validFor"),
    )
    .addOption(
      new Option("--network <name>", "network, such as base, base-sepolia or eip155:84532")
        .argParser(network)
        .default(network("base-sepolia"), "base-sepolia, which the local chain imitates"),
    )
    .option(
      "--token <address>",
      "another token than the network's USDC; amounts count its units as 6 decimals",
      address,
    )
    .option("--token-name <name>", "name in that token's EIP-712 domain")
    .option("--token-version <version>", "version in that token's EIP-712 domain")
    .addOption(
      new Option("--format <format>", "form of each line; header is the base64 of an x402-v2 payload")
        .choices(paymentFormats)
        .default("authorization"),
    )
    .option("--seed <text>", "the same choices and nonces every time; without it nonces are random")
    .option("--out <file>", "file to write (default: stdout)")
    .option("--force", "replace that file if it exists")
    .addOption(keystoreOption())
    .addHelpText(
      "after",
      examples(
        "sign --payee 0x70997970C51812dc3A010C7d01b50e0d17dc79C8 --amount 0.01 --count 100 --out payments.jsonl",
        "sign --payers 50 --count 1000 --min-amount 0.0001 --max-amount 0.05 --payee 0x7099…79C8 --payee 0x3C44…93BC",
      ),
    )
    .action(runSign);
}

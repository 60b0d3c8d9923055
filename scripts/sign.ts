import { existsSync } from "node:fs";
import { Command, Option } from "commander";
import type { Address, LocalAccount } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { signAuthorization } from "../src/authorization/sign.ts";
import { UsageError } from "../src/cli/exit/errors.ts";
import { openLines } from "../src/cli/input/lineFile.ts";
import { formatPayment, type PaymentFormat, paymentFormats } from "../src/cli/input/paymentFormats.ts";
import { choicesFrom } from "../src/cli/options/choices.ts";
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
import { mnemonicFromEnvironment } from "../src/cli/options/secrets.ts";
import { namedSigner } from "../src/cli/options/signer.ts";
import { notice } from "../src/cli/output/output.ts";
import { startProgress } from "../src/cli/output/progress.ts";
import { counted } from "../src/cli/output/summary.ts";
import { deriveAccounts } from "../src/local/accounts.ts";
import type { Network, TokenDomain } from "../src/networks.ts";
import { knownTokenDomain } from "../src/networks.ts";

type Options = {
  readonly payee?: readonly Address[];
  readonly amount?: bigint;
  readonly minAmount?: bigint;
  readonly maxAmount?: bigint;
  readonly count: number;
  readonly payers: number;
  readonly firstIndex: number;
  readonly validFor: number;
  readonly validAfter?: bigint;
  readonly validBefore?: bigint;
  readonly network: Network;
  readonly token?: Address;
  readonly tokenName?: string;
  readonly tokenVersion?: string;
  readonly format: PaymentFormat;
  readonly seed?: string;
  readonly out?: string;
  readonly force?: true;
  readonly keystore?: string;
};

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
        .default(network("base-sepolia"), "base-sepolia, which the local chain passes for"),
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

async function runSign(options: Options): Promise<void> {
  const { network, count, format } = options;
  const payees = options.payee ?? [];
  if (payees.length === 0) throw new UsageError("No payee.", { hint: "Pass --payee ADDRESS, once or more." });
  const [minimum, maximum] = amountRange(options);
  const { token, domain } = tokenOf(options);
  if (format === "x402-v1" && network.v1Name === undefined) {
    throw new UsageError(`x402 v1 has no name for ${network.title}.`, { hint: "Use --format x402-v2." });
  }
  if (options.out !== undefined && options.force !== true && existsSync(options.out)) {
    throw new UsageError(`${options.out} exists and was left as it is.`, {
      hint: "Choose another name, or pass --force to replace it.",
    });
  }
  const validAfter = options.validAfter ?? 0n;
  const validBefore = options.validBefore ?? BigInt(Math.floor(Date.now() / 1000) + options.validFor);
  if (validBefore <= validAfter + 1n) {
    throw new UsageError("The payments would never be valid.", {
      details: `valid after ${validAfter}, before ${validBefore}`,
      hint: "Both bounds are exclusive: leave at least two seconds between them.",
    });
  }
  const payers = await payersOf(options);

  const choices = choicesFrom(options.seed);
  const sink = await openLines(options.out, options.force === true);
  const progress = startProgress("signing", count);
  try {
    for (let index = 0; index < count && !sink.isClosed(); index++) {
      const payer = pick(payers, index % payers.length);
      const payee = pick(payees, Number(choices.between("payee", index, 0n, BigInt(payees.length - 1))));
      const signed = await signAuthorization(payer, {
        authorization: {
          chainId: network.chainId,
          token,
          from: payer.address,
          to: payee,
          value: choices.between("amount", index, minimum, maximum),
          validAfter,
          validBefore,
          nonce: choices.nonce(index),
        },
        domain,
      });
      await sink.write(formatPayment(signed, format, { v1Network: network.v1Name, domain }));
      if (index % 100 === 0) progress.update(index);
    }
    await sink.finish();
  } catch (error) {
    await sink.discard();
    throw error;
  } finally {
    progress.stop();
  }
  if (options.out !== undefined)
    notice(`${counted(count, "payment")} by ${counted(payers.length, "payer")} in ${options.out}`);
}

function amountRange({ amount, minAmount, maxAmount }: Options): readonly [bigint, bigint] {
  const hint = "Pass --amount, or both --min-amount and --max-amount.";
  if (amount !== undefined) {
    if (minAmount !== undefined || maxAmount !== undefined) throw new UsageError("Two amounts were given.", { hint });
    return [amount, amount];
  }
  if (minAmount === undefined || maxAmount === undefined) throw new UsageError("No amount.", { hint });
  if (minAmount > maxAmount) throw new UsageError("--min-amount is above --max-amount.", { hint });
  return [minAmount, maxAmount];
}

function tokenOf({ network, token = network.usdc.address, tokenName, tokenVersion }: Options): {
  readonly token: Address;
  readonly domain: TokenDomain;
} {
  const known = knownTokenDomain(network.chainId, token);
  const name = tokenName ?? known?.name;
  const version = tokenVersion ?? known?.version;
  if (name === undefined || version === undefined) {
    throw new UsageError(`The EIP-712 domain of the token ${token} is not known.`, {
      hint: "Pass --token-name and --token-version as the token states them.",
    });
  }
  return { token, domain: { name, version } };
}

/** The accounts that pay: one of a key, or as many of the mnemonic as were asked for. */
async function payersOf({ keystore, payers, firstIndex }: Options): Promise<readonly LocalAccount[]> {
  const mnemonic = keystore === undefined ? mnemonicFromEnvironment() : undefined;
  const single = mnemonic === undefined ? await namedSigner(keystore) : undefined;
  if (single !== undefined) {
    if (payers === 1 && firstIndex === 0) return [single];
    throw new UsageError("--payers and --first-index need a mnemonic, and there is a single key.", {
      hint: "Set MNEMONIC in the environment.",
    });
  }
  if (mnemonic !== undefined) {
    return deriveAccounts(mnemonic, payers, firstIndex).map(({ privateKey }) => privateKeyToAccount(privateKey));
  }
  throw new UsageError("No key to sign with.", {
    hint: "Set PRIVATE_KEY or MNEMONIC in the environment, or pass --keystore FILE.",
  });
}

function pick<T>(items: readonly T[], index: number): T {
  const item = items[index];
  if (item === undefined) throw new RangeError(`No item ${index} of ${items.length}.`);
  return item;
}

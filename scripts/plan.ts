import { Command, Option } from "commander";
import { rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, gwei, integer, jsonOption, network, rpcUrlOption, usdcAmount } from "../src/cli/options/options.ts";
import { runPlan } from "../src/cli/plan/run.ts";

const ETHER_USD = 3000_000_000n;

/** `tributary plan`: what settling a file would cost. */
export function planCommand(): Command {
  return new Command("plan")
    .description(
      "Show the batches that would settle a file, their gas and price, and which payments cannot settle and why. Every " +
        "batch is tried out with eth_call. Nothing is sent, and no key is needed. With --compare: what such payments cost one " +
        "by one, in batches, and in channels.",
    )
    .argument("[file]", "one authorization, x402 payload or x402 header per line (- for standard input)")
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "network of payments that name none; refuse a node on any other", network)
    .option("--token <address>", "token of payments that name none (default: the network's USDC)", address)
    .option("--router <address>", "router to use instead of the one at the usual address", address)
    .option("--from <address>", "account that would send", address)
    .option("--gas-price <gwei>", "price per gas (default: the chain's)", gwei)
    .addOption(
      new Option("--eth-usd <usd>", "price of one ether in US dollars")
        .argParser(usdcAmount)
        .default(ETHER_USD, "3000"),
    )
    .option("--strict", "refuse the file if any line of it is bad")
    .option("--max-gas <gas>", "the most gas for one transaction", integer(100_000, 16_777_216))
    .option("--min-value <units>", "leave out payments below this many atomic units", integer(0))
    .option("--compare", "compare exact, batch and channel, for the file's payments or for this traffic:")
    .option("--payers <count>", "compare: how many pay", integer(1))
    .option("--payees <count>", "compare: how many are paid; each payer pays one (default: 1)", integer(1))
    .option("--amount <usdc>", "compare: one payment", usdcAmount)
    .option("--rate <payments>", "compare: payments of one payer in an hour", integer(1))
    .option("--session <hours>", "compare: how long payers keep paying (default: 24)", integer(1, 87_600))
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples(
        "plan payments.jsonl",
        "plan payments.jsonl --gas-price 0.005 --eth-usd 2500",
        "plan --compare --payers 100 --amount 0.0001 --rate 500 --gas-price 0.005",
      ),
    )
    .action(runPlan);
}

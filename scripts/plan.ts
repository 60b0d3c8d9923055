import { Command, Option } from "commander";
import type { Address } from "viem";
import { connect, requireSomeOn, rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import { UsageError } from "../src/cli/exit/errors.ts";
import { type LinePayment, readPayments } from "../src/cli/input/input.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, gwei, integer, jsonOption, network, rpcUrlOption, usdcAmount } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { startProgress } from "../src/cli/output/progress.ts";
import { formatQuote } from "../src/cli/output/quoteText.ts";
import { type CompareCommandOptions, runCompare } from "../src/cli/plan/compare.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import type { Network } from "../src/networks.ts";
import { quoteSettlement, type SettlementQuote } from "../src/settlement/index.ts";
import type { RefusedLine } from "../src/settlement/job/results.ts";

type Options = CompareCommandOptions & {
  readonly compare?: true;
  readonly network?: Network;
  readonly token?: Address;
  readonly router?: Address;
  readonly from?: Address;
  readonly strict?: true;
  readonly maxGas?: number;
  readonly minValue?: number;
};

const ETHER_USD = 3000_000_000n;

/** `tributary plan`: what settling a file would take. */
export function planCommand(): Command {
  return new Command("plan")
    .description(
      "Show the batches that would settle a file, their gas and price, and which payments cannot settle and why. Every " +
        "batch is tried out with eth_call. Nothing is sent, and no key is needed. With --compare: what such payments cost one " +
        "by one, in batches, and in channels.",
    )
    .argument("[file]", "one authorization, x402 payload or x402 header to a line (- for standard input)")
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "network of payments that name none; refuses a node on any other", network)
    .option("--token <address>", "token of payments that name none (default: the network's USDC)", address)
    .option("--router <address>", "another router than the one at its usual address", address)
    .option("--from <address>", "who would send", address)
    .option("--gas-price <gwei>", "price per gas (default: the chain's)", gwei)
    .addOption(
      new Option("--eth-usd <usd>", "price of one ether in US dollars")
        .argParser(usdcAmount)
        .default(ETHER_USD, "3000"),
    )
    .option("--strict", "refuse the file if any line of it is bad")
    .option("--max-gas <gas>", "the most gas for one transaction", integer(100_000, 16_777_216))
    .option("--min-value <units>", "leave out payments below this many atomic units", integer(0))
    .option("--compare", "compare exact, batch and channel, for the file's payments or for the traffic that these say:")
    .option("--payers <count>", "compare: how many pay", integer(1))
    .option("--payees <count>", "compare: how many are paid; each payer pays one (default: 1)", integer(1))
    .option("--amount <usdc>", "compare: one payment", usdcAmount)
    .option("--rate <payments>", "compare: payments of one payer in an hour", integer(1))
    .option("--session <hours>", "compare: how long payers go on (default: 24)", integer(1, 87_600))
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

async function runPlan(file: string | undefined, options: Options, command: Command): Promise<void> {
  if (options.compare === true) {
    const isNodeNamed = command.getOptionValueSource("rpcUrl") !== "default";
    await runCompare(file === undefined ? undefined : await readPayments(file, options), options, { isNodeNamed });
    return;
  }
  if (file === undefined) {
    throw new UsageError("No file of payments.", { hint: "Name one, or describe the traffic with --compare." });
  }
  const input = await readPayments(file, options);
  const client = await connect(options);
  requireSomeOn(client, input.payments);
  const progress = startProgress("payments", input.payments.length);
  const quote = await quoteSettlement(client, {
    payments: input.payments,
    etherMicroUsd: options.ethUsd,
    limits: {
      ...(options.maxGas === undefined ? {} : { maxGasPerTransaction: BigInt(options.maxGas) }),
      ...(options.minValue === undefined ? {} : { minimumValue: BigInt(options.minValue) }),
    },
    ...(options.router === undefined ? {} : { router: options.router }),
    ...(options.from === undefined ? {} : { sender: options.from }),
    ...(options.gasPrice === undefined ? {} : { gasPriceWei: options.gasPrice }),
    onProgress: (done) => progress.update(done),
  }).finally(() => progress.stop());

  if (options.json === true) printJson(toJson(quote, input.refused));
  else {
    for (const line of formatQuote(quote, options.gasPrice === undefined)) printLine(line);
    if (input.refused.length > 0) printLine(`bad lines in the file, left out: ${input.refused.length}`);
  }
  const isSettled = quote.excluded.every(({ outcome }) => outcome.status === "settled");
  currentRun().exitCode = input.refused.length === 0 && isSettled ? EXIT.done : EXIT.unsettled;
}

function toJson({ excluded, ...quote }: SettlementQuote<LinePayment>, refused: readonly RefusedLine[]) {
  return {
    ...quote,
    dataFeeInputs: quote.dataFeeInputs ?? null,
    total: quote.total ?? null,
    oneByOne: quote.oneByOne ?? null,
    excluded: excluded.map(({ line, authorization, outcome }) => {
      const { from, to, value, nonce } = authorization;
      return { line, from, to, value, nonce, ...outcome };
    }),
    refusedLines: refused,
  };
}

import { Command } from "commander";
import { UsageError } from "./cli/errors.ts";
import { EXIT } from "./cli/exitCodes.ts";
import { integer, jsonOption, usdcAmount } from "./cli/options.ts";
import { printJson, printLine } from "./cli/output.ts";
import { examples } from "./cli/program.ts";
import type { Check } from "./demo/figures.ts";
import { formatJob, introduceJob } from "./demo/job/report.ts";
import { playJob } from "./demo/job/run.ts";
import { formatSale, formatTrace } from "./demo/sale/report.ts";
import { playSale } from "./demo/sale/run.ts";

type Options = {
  readonly buyers: number;
  readonly requests: number;
  readonly price: bigint;
  readonly trace?: true;
  readonly job?: true;
  readonly json?: true;
};

/** `tributary demo`: the whole story on a local chain, with every figure checked. */
export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "Sell an API per call on a chain in this process: buyers with the official x402 client, a resource server with the " +
        "official middleware, our facilitator; then compare the gas with one transaction for each payment, and check every " +
        "balance. Needs no network and leaves nothing running.",
    )
    .option("--buyers <number>", "how many buy at once", integer(1, 500), 100)
    .option("--requests <number>", "how many calls they buy in all", integer(1, 10_000), 300)
    .option("--price <usdc>", "price of a call", usdcAmount, 1_000n)
    .option("--trace", "show the first payment step by step, with what is in each message")
    .option("--job", "instead: settle a file of 1,000 payments, good and bad, as tributary settle does")
    .addOption(jsonOption())
    .addHelpText("after", examples("demo", "demo --trace", "demo --buyers 200 --requests 1000", "demo --job"))
    .action(runDemo);
}

async function runDemo(options: Options, command: Command): Promise<void> {
  const isText = options.json !== true;
  const startedAt = Date.now();
  const end = (demo: { readonly checks: readonly Check[] }, format: (seconds: number) => readonly string[]): void => {
    const seconds = (Date.now() - startedAt) / 1000;
    if (isText) print(format(seconds));
    else printJson({ ...demo, seconds });
    process.exitCode = demo.checks.every(({ holds }) => holds) ? EXIT.done : EXIT.check;
  };

  if (options.job === true) {
    const given = ["buyers", "requests", "price", "trace"].find((name) => command.getOptionValueSource(name) === "cli");
    if (given !== undefined) throw new UsageError(`--${given} says something about a sale, and --job is none.`);
    if (isText) print(introduceJob());
    const demo = await playJob();
    end(demo, (seconds) => formatJob(demo, seconds));
    return;
  }
  const { buyers, requests, price } = options;
  if (price === 0n) throw new UsageError("The price is 0: there would be nothing to settle.");
  const demo = await playSale(
    { buyers: Math.min(buyers, requests), requests, price },
    {
      onReady: (lines) => isText && print(lines),
      ...(options.trace === true ? { onTrace: (steps) => isText && print(formatTrace(steps)) } : {}),
    },
  );
  end(demo, (seconds) => formatSale(demo, seconds));
}

function print(lines: readonly string[]): void {
  for (const line of lines) printLine(line);
}

import { Command } from "commander";
import { formatChannelSale } from "../demo/channels/report.ts";
import { playChannels } from "../demo/channels/run.ts";
import type { Check } from "../demo/figures.ts";
import { formatJob, introduceJob } from "../demo/job/report.ts";
import { playJob } from "../demo/job/run.ts";
import { formatSale, formatTrace, type SaleSize } from "../demo/sale/report.ts";
import { playSale } from "../demo/sale/run.ts";
import { UsageError } from "../src/cli/exit/errors.ts";
import { examples } from "../src/cli/options/examples.ts";
import { integer, jsonOption, usdcAmount } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";

type Options = {
  readonly buyers?: number;
  readonly requests?: number;
  readonly price?: bigint;
  readonly trace?: true;
  readonly channels?: true;
  readonly job?: true;
  readonly json?: true;
};

/** The default size of a sale. */
const SALE: SaleSize = { buyers: 100, requests: 300, price: 1_000n };
const CHANNEL_SALE: SaleSize = { buyers: 5, requests: 1_000, price: 100n };

/** `tributary demo`: runs the whole flow on a local chain and checks every figure. */
export function demoCommand(): Command {
  return new Command("demo")
    .description(
      "Sell an API per call on a chain in this process: buyers with the official x402 client, a resource server with the " +
        "official middleware, Tributary's facilitator; then compare the gas with one transaction for each payment, and check every " +
        "balance. Needs no network and leaves nothing running.",
    )
    .option("--buyers <number>", "how many buy at once: 100, or 5 with --channels", integer(1, 500))
    .option("--requests <number>", "how many calls they buy in total: 300, or 1,000", integer(1, 10_000))
    .option("--price <usdc>", "price of a call: 0.001, or 0.0001", usdcAmount)
    .option("--trace", "show the first payment step by step, with the content of each message")
    .option("--channels", "sell through payment channels, and let the keeper claim and sweep what they earn")
    .option("--job", "instead: settle a file of 1,000 payments, good and bad, as tributary settle does")
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("demo", "demo --trace", "demo --buyers 200 --requests 1000", "demo --channels", "demo --job"),
    )
    .action(runDemo);
}

async function runDemo(options: Options, command: Command): Promise<void> {
  const isText = options.json !== true;
  const startedAt = Date.now();
  const end = (demo: { readonly checks: readonly Check[] }, format: (seconds: number) => readonly string[]): void => {
    const seconds = (Date.now() - startedAt) / 1000;
    if (isText) print(format(seconds));
    else printJson({ ...demo, seconds });
    currentRun().exitCode = demo.checks.every(({ holds }) => holds) ? EXIT.done : EXIT.check;
  };

  if (options.job === true) {
    const given = ["buyers", "requests", "price", "trace", "channels"].find(
      (name) => command.getOptionValueSource(name) === "cli",
    );
    if (given !== undefined) throw new UsageError(`--${given} is for a sale, not for --job.`);
    if (isText) print(introduceJob());
    const demo = await playJob();
    end(demo, (seconds) => formatJob(demo, seconds));
    return;
  }
  const usual = options.channels === true ? CHANNEL_SALE : SALE;
  const { requests = usual.requests, price = usual.price } = options;
  const size = { buyers: Math.min(options.buyers ?? usual.buyers, requests), requests, price };
  if (price === 0n) throw new UsageError("The price is 0: there would be nothing to settle.");
  if (options.channels === true) {
    if (options.trace === true) throw new UsageError("--trace is for a sale without --channels.");
    const demo = await playChannels(size, { onReady: (lines) => isText && print(lines) });
    end(demo, (seconds) => formatChannelSale(demo, seconds));
    return;
  }
  const demo = await playSale(size, {
    onReady: (lines) => isText && print(lines),
    ...(options.trace === true ? { onTrace: (steps) => isText && print(formatTrace(steps)) } : {}),
  });
  end(demo, (seconds) => formatSale(demo, seconds));
}

function print(lines: readonly string[]): void {
  for (const line of lines) printLine(line);
}

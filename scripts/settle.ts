import { Command, Option } from "commander";
import type { Address } from "viem";
import type { Network } from "../src/networks.ts";
import {
  openJournal,
  type RefusedLine,
  type SettlementReport,
  settlePayments,
  summarise,
} from "../src/settlement/index.ts";
import { connect, requireSomeOn, rpcTimeoutOption } from "./cli/connect.ts";
import { asUsage, reportError } from "./cli/errors.ts";
import { EXIT, type ExitCode } from "./cli/exitCodes.ts";
import { readPayments } from "./cli/input.ts";
import { address, gwei, integer, jsonOption, keystoreOption, network, rpcUrlOption } from "./cli/options.ts";
import { printJson, printLine, startProgress } from "./cli/output.ts";
import { examples } from "./cli/program.ts";
import { reserveResults } from "./cli/resultsFile.ts";
import { resolveSigner } from "./cli/signer.ts";
import { formatSummary } from "./cli/summary.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly network?: Network;
  readonly token?: Address;
  readonly router?: Address;
  readonly keystore?: string;
  readonly out?: string;
  readonly journal?: string;
  readonly strict?: true;
  readonly json?: true;
  readonly maxGas?: number;
  readonly maxFee?: bigint;
  readonly minValue?: number;
  readonly wait: number;
};

/** `tributary settle`: settles a file of payments. */
export function settleCommand(): Command {
  return new Command("settle")
    .description(
      "Settle a file of signed payments in as few transactions as possible. Run it again on the same file at any time: " +
        "nothing is settled twice.",
    )
    .argument("<file>", "one authorization, x402 payload or x402 header to a line (- for standard input)")
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--network <name>", "network of payments that name none; refuses a node on any other", network)
    .option("--token <address>", "token of payments that name none (default: the network's USDC)", address)
    .option("--router <address>", "another router than the one at its usual address", address)
    .addOption(keystoreOption())
    .option("--out <file>", "where the results go (default: <file>.results.jsonl)")
    .option("--journal <file>", "where signed transactions are kept for the next run (default: <file>.journal)")
    .option("--strict", "refuse the file if any line of it is bad")
    .option("--max-gas <gas>", "the most gas for one transaction", integer(100_000, 16_777_216))
    .option("--max-fee <gwei>", "the most to offer per gas", gwei)
    .option("--min-value <units>", "leave out payments below this many atomic units", integer(0))
    .addOption(new Option("--wait <seconds>", "how long to wait for a block").argParser(integer(1, 3600)).default(120))
    .addOption(jsonOption())
    .addHelpText("after", examples("settle payments.jsonl", "settle payments.jsonl --rpc-url https://sepolia.base.org"))
    .action(runSettle);
}

async function runSettle(file: string, options: Options): Promise<void> {
  const input = await readPayments(file, options);
  const client = await connect(options);
  requireSomeOn(client, input.payments);
  const account = await resolveSigner({ ...options, chainId: client.chain.id });
  const named = file === "-" ? "payments" : file;
  const journal = asUsage(() => openJournal(options.journal ?? `${named}.journal`));
  const results = reserveResults(options.out ?? `${named}.results.jsonl`, input.payments.length + input.refused.length);

  const progress = startProgress("payments", input.payments.length);
  const report = await settlePayments(client, account, input.payments, {
    journal,
    inclusionTimeoutMs: options.wait * 1000,
    limits: {
      ...(options.maxGas === undefined ? {} : { maxGasPerTransaction: BigInt(options.maxGas) }),
      ...(options.minValue === undefined ? {} : { minimumValue: BigInt(options.minValue) }),
    },
    ...(options.router === undefined ? {} : { router: options.router }),
    ...(options.maxFee === undefined ? {} : { maxFeePerGas: options.maxFee }),
    onProgress: ({ decided }) => progress.update(decided),
  })
    .catch((error: unknown) => {
      results.discard();
      throw error;
    })
    .finally(() => progress.stop());

  const summary = summarise(report.results, report.transactions);
  if (options.json === true) {
    const { routerUsed, stopped, transactions } = report;
    printJson({
      ...summary,
      routerUsed: routerUsed ?? null,
      refusedLines: input.refused.length,
      stopped: stopped?.shortMessage ?? null,
      sent: transactions,
      results: results.path,
    });
  } else for (const line of formatSummary(summary, report, input.refused.length)) printLine(line);
  results.write(report.results, input.refused);
  if (options.json !== true) printLine(`results: ${results.path}`);
  if (report.stopped !== undefined) reportError(report.stopped, false);
  process.exitCode = exitCodeOf(report, input.refused);
}

function exitCodeOf(report: SettlementReport, refused: readonly RefusedLine[]): ExitCode {
  const statuses = new Set(report.results.map(({ outcome }) => outcome.status));
  if (statuses.has("pending")) return EXIT.unknown;
  return refused.length === 0 && [...statuses].every((status) => status === "settled") ? EXIT.done : EXIT.unsettled;
}

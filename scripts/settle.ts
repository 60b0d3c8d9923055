import { closeSync, fsyncSync, openSync, renameSync, writeSync } from "node:fs";
import { Command, Option } from "commander";
import type { Address } from "viem";
import { connectChain } from "../src/chain/client.ts";
import type { Network } from "../src/networks.ts";
import {
  openJournal,
  type PaymentResult,
  type RefusedLine,
  type SettlementReport,
  serialiseRefusedLine,
  serialiseResult,
  settlePayments,
  summarise,
} from "../src/settlement/index.ts";
import { EXIT, type ExitCode } from "./cli/exitCodes.ts";
import { readPayments } from "./cli/input.ts";
import { address, gwei, integer, jsonOption, keystoreOption, network, rpcUrlOption } from "./cli/options.ts";
import { printJson, printLine, startProgress } from "./cli/output.ts";
import { examples } from "./cli/program.ts";
import { resolveSigner } from "./cli/signer.ts";
import { formatSummary } from "./cli/summary.ts";

type Options = {
  readonly rpcUrl: string;
  readonly network?: Network;
  readonly token?: Address;
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
    .description("Settle a file of signed payments in as few transactions as possible.")
    .argument("<file>", "one authorization, x402 payload or x402 header to a line (- for standard input)")
    .addOption(rpcUrlOption())
    .option("--network <name>", "network of payments that name none", network)
    .option("--token <address>", "token of payments that name none (default: the network's USDC)", address)
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
  const client = await connectChain(options.rpcUrl);
  const account = await resolveSigner({ ...options, chainId: client.chain.id });
  const named = file === "-" ? "payments" : file;
  const out = options.out ?? `${named}.results.jsonl`;

  const progress = startProgress("payments", input.payments.length);
  const report = await settlePayments(client, account, input.payments, {
    journal: openJournal(options.journal ?? `${named}.journal`),
    inclusionTimeoutMs: options.wait * 1000,
    limits: {
      ...(options.maxGas === undefined ? {} : { maxGasPerTransaction: BigInt(options.maxGas) }),
      ...(options.minValue === undefined ? {} : { minimumValue: BigInt(options.minValue) }),
    },
    ...(options.maxFee === undefined ? {} : { maxFeePerGas: options.maxFee }),
    onProgress: ({ decided }) => progress.update(decided),
  }).finally(() => progress.stop());

  writeResults(out, report.results, input.refused);
  const summary = summarise(report.results, report.transactions);
  if (options.json === true) printJson({ ...summary, refusedLines: input.refused.length, results: out });
  else {
    for (const line of formatSummary(summary, report, input.refused.length)) printLine(line);
    printLine(`results: ${out}`);
  }
  if (report.stopped !== undefined) throw report.stopped;
  process.exitCode = exitCodeOf(report, input.refused);
}

/** Writes every line's result, in the order of the lines, and puts the file in place only when it is whole and on disk. */
function writeResults(path: string, results: readonly PaymentResult[], refused: readonly RefusedLine[]): void {
  const lines = [
    ...results.map((result) => ({ line: result.line, text: serialiseResult(result) })),
    ...refused.map((line) => ({ line: line.line, text: serialiseRefusedLine(line) })),
  ].sort((a, b) => a.line - b.line);
  const file = openSync(`${path}.part`, "w");
  try {
    writeSync(file, lines.map(({ text }) => `${text}\n`).join(""));
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  renameSync(`${path}.part`, path);
}

function exitCodeOf(report: SettlementReport, refused: readonly RefusedLine[]): ExitCode {
  const statuses = new Set(report.results.map(({ outcome }) => outcome.status));
  if (statuses.has("pending")) return EXIT.unknown;
  return refused.length === 0 && [...statuses].every((status) => status === "settled") ? EXIT.done : EXIT.unsettled;
}

import { Command, Option } from "commander";
import type { Address } from "viem";
import { connect, requireSomeOn, rpcTimeoutOption } from "../src/cli/connect/connect.ts";
import {
  connectNodes,
  nodeOption,
  type PolicyOptions,
  policyOf,
  stderrLogger,
  withPolicyOptions,
} from "../src/cli/connect/engine.ts";
import { journalOption, openEngineJournal } from "../src/cli/connect/journal.ts";
import { asUsageAsync, reportError, UsageError } from "../src/cli/exit/errors.ts";
import { readPayments } from "../src/cli/input/input.ts";
import { reserveResults } from "../src/cli/input/resultsFile.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, integer, jsonOption, keystoreOption, network, rpcUrlOption } from "../src/cli/options/options.ts";
import { resolveSigner } from "../src/cli/options/signer.ts";
import { notice, printJson, printLine } from "../src/cli/output/output.ts";
import { startProgress } from "../src/cli/output/progress.ts";
import { formatSummary } from "../src/cli/output/summary.ts";
import { EXIT, type ExitCode } from "../src/cli/process/exitCodes.ts";
import { listenForStop } from "../src/cli/process/stopSignals.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { runWatch, tellHeld, tellStopping } from "../src/cli/settle/watch.ts";
import type { Journal } from "../src/journal/index.ts";
import type { Network } from "../src/networks.ts";
import { type SettlementReport, settlePayments, summarise } from "../src/settlement/index.ts";
import type { RefusedLine } from "../src/settlement/job/results.ts";

type Options = PolicyOptions & {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly node?: readonly string[];
  readonly network?: Network;
  readonly token?: Address;
  readonly keystore?: string;
  readonly out?: string;
  readonly journal?: string;
  readonly watch?: string;
  readonly statusEvery: number;
  readonly strict?: true;
  readonly json?: true;
  readonly debug?: true;
  readonly wait: number;
};

/** `tributary settle`: settles a file of payments, or payments as they come. */
export function settleCommand(): Command {
  const command = new Command("settle")
    .description(
      "Settle a file of signed payments in as few transactions as possible, or with --watch payments as they come. Run it " +
        "again at any time: it takes up what an earlier run left open, and nothing is settled twice.",
    )
    .argument("[file]", "one authorization, x402 payload or x402 header to a line (- for standard input)")
    .option(
      "--watch <folder>",
      "read the *.jsonl files of a folder as they grow, or - for standard input, until Ctrl-C",
    )
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .addOption(nodeOption())
    .option("--network <name>", "network of payments that name none; refuses a node on any other", network)
    .option("--token <address>", "token of payments that name none (default: the network's USDC)", address)
    .addOption(keystoreOption())
    .addOption(journalOption())
    .option("--out <file>", "where the results go (default: <file>.results.jsonl; with --watch they are appended)")
    .option("--strict", "refuse the file if any line of it is bad");
  return withPolicyOptions(command)
    .addOption(
      new Option("--wait <seconds>", "how long nothing may happen before what is open is left to the next run")
        .argParser(integer(1, 3600))
        .default(120),
    )
    .addOption(
      new Option("--status-every <seconds>", "with --watch: time between two lines of status")
        .argParser(integer(1, 86_400))
        .default(10),
    )
    .addOption(jsonOption())
    .addHelpText(
      "after",
      examples("settle payments.jsonl", "settle --watch inbox", "sign … | tributary settle --watch -"),
    )
    .action(runSettle);
}

async function runSettle(file: string | undefined, options: Options): Promise<void> {
  if (options.watch !== undefined && file !== undefined) {
    throw new UsageError("Name a file, or a folder with --watch, not both.");
  }
  if (options.watch !== undefined) await watch(options.watch, options);
  else if (file !== undefined) await settleFile(file, options);
  else throw new UsageError("Name the file to settle, or a folder to --watch.");
}

async function watch(from: string, options: Options): Promise<void> {
  const client = await connect(options);
  const senders = [await resolveSigner({ ...options, chainId: client.chain.id })];
  const nodes = await connectNodes(client, options.node);
  await closing(await openEngineJournal(options, client), (journal) =>
    runWatch(client, {
      from: from === "-" ? currentRun().stdin : from,
      nodes,
      senders,
      journal,
      policy: policyOf(options),
      context: {
        ...(options.network === undefined ? {} : { network: options.network }),
        ...(options.token === undefined ? {} : { token: options.token }),
      },
      out: options.out ?? (from === "-" ? "payments.results.jsonl" : `${from.replace(/\/+$/, "")}.results.jsonl`),
      statusEveryMs: options.statusEvery * 1000,
      finishWithinMs: Math.min(options.wait, 30) * 1000,
      json: options.json === true,
      logger: stderrLogger(options.debug === true),
    }),
  );
}

async function settleFile(file: string, options: Options): Promise<void> {
  const input = await readPayments(file, options);
  const client = await connect(options);
  requireSomeOn(client, input.payments);
  const account = await resolveSigner({ ...options, chainId: client.chain.id });
  const named = file === "-" ? "payments" : file;
  await closing(await openEngineJournal(options, client), async (journal) => {
    const lines = input.payments.length + input.refused.length;
    const results = reserveResults(options.out ?? `${named}.results.jsonl`, lines);
    const progress = startProgress("payments", input.payments.length);
    const { signal, forget } = listenForStop();
    signal.addEventListener("abort", () => {
      progress.stop();
      notice("stopping: no more payments are taken in");
    });
    const report = await asUsageAsync(
      settlePayments(client, {
        payments: input.payments,
        journal: journal,
        senders: [account],
        nodes: await connectNodes(client, options.node),
        policy: policyOf(options),
        waitMs: options.wait * 1000,
        sourceOf: ({ line }) => `${named}:${line}`,
        onProgress: ({ decided }) => progress.update(decided),
        onHeld: tellHeld,
        onStop: tellStopping,
        signal,
        logger: stderrLogger(options.debug === true),
      }),
    )
      .catch((error: unknown) => {
        results.discard();
        throw error;
      })
      .finally(() => {
        progress.stop();
        forget();
      });

    const summary = summarise(report);
    if (options.json === true) {
      const { routerUsed, stopped, transactions } = report;
      printJson({
        ...summary,
        routerUsed,
        refusedLines: input.refused.length,
        stopped: stopped?.shortMessage ?? null,
        interrupted: signal.aborted,
        sent: transactions,
        results: results.path,
      });
    } else for (const line of formatSummary(summary, report, input.refused.length)) printLine(line);
    results.write(report.results, input.refused);
    if (options.json !== true) printLine(`results: ${results.path}`);
    if (report.stopped !== undefined) reportError(report.stopped, false);
    currentRun().exitCode = exitCodeOf(report, input.refused, signal.aborted);
  });
}

async function closing(journal: Journal, work: (journal: Journal) => Promise<void>): Promise<void> {
  try {
    await work(journal);
  } finally {
    await journal.close();
  }
}

/** A run that was interrupted is not through where it left something unsent. */
function exitCodeOf(report: SettlementReport, refused: readonly RefusedLine[], isInterrupted: boolean): ExitCode {
  const statuses = new Set(report.results.map(({ outcome }) => outcome.status));
  if (statuses.has("pending") || (isInterrupted && statuses.has("not-attempted"))) return EXIT.unknown;
  return refused.length === 0 && [...statuses].every((status) => status === "settled") ? EXIT.done : EXIT.unsettled;
}

import type { Journal } from "../../journal/index.ts";
import { type SettlementReport, settlePayments, summarise } from "../../settlement/index.ts";
import type { RefusedLine } from "../../settlement/job/results.ts";
import { connect, requireSomeOn } from "../connect/connect.ts";
import { connectNodes, policyOf, stderrLogger } from "../connect/engine.ts";
import { openEngineJournal } from "../connect/journal.ts";
import { asUsageAsync, reportError } from "../exit/errors.ts";
import { readPayments } from "../input/input.ts";
import { reserveResults } from "../input/resultsFile.ts";
import { resolveSigner } from "../options/signer.ts";
import { notice, printJson, printLine } from "../output/output.ts";
import { startProgress } from "../output/progress.ts";
import { formatSummary } from "../output/summary.ts";
import { EXIT, type ExitCode } from "../process/exitCodes.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { currentRun } from "../process/surroundings.ts";
import type { Options } from "./options.ts";
import { tellHeld, tellStopping } from "./watch.ts";

/** Settles a file, prints its summary, and writes every line's result. */
export async function settleFile(file: string, options: Options): Promise<void> {
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
      notice("stopping: no more payments are accepted");
    });
    const report = await asUsageAsync(
      settlePayments(client, {
        payments: input.payments,
        journal: journal,
        senders: [account],
        nodes: (await connectNodes(client, options.node)).nodes,
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

export async function closing(journal: Journal, work: (journal: Journal) => Promise<void>): Promise<void> {
  try {
    await work(journal);
  } finally {
    await journal.close();
  }
}

/** If a run was interrupted and left something unsent, its outcome is unknown. */
function exitCodeOf(report: SettlementReport, refused: readonly RefusedLine[], isInterrupted: boolean): ExitCode {
  const statuses = new Set(report.results.map(({ outcome }) => outcome.status));
  if (statuses.has("pending") || (isInterrupted && statuses.has("not-attempted"))) return EXIT.unknown;
  return refused.length === 0 && [...statuses].every((status) => status === "settled") ? EXIT.done : EXIT.unsettled;
}

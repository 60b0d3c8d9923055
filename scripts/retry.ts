import { Command } from "commander";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { UsageError } from "../src/cli/exit/errors.ts";
import { findPayments } from "../src/cli/input/findPayments.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { counted } from "../src/cli/output/summary.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { type RetryAnswer, retryPayment, retryRejected } from "../src/settlement/index.ts";

type Options = {
  readonly journal?: string;
  readonly allRejected?: true;
  readonly reason?: string;
  readonly json?: true;
};

/** The name of the asker in a payment's history. */
const BY = "tributary retry";

/** `tributary retry`: puts rejected payments back into the queue. */
export function retryCommand(): Command {
  return new Command("retry")
    .description(
      "Put rejected or cancelled payments back into the queue. An engine that runs on the journal sends them; if " +
        "none runs, the next tributary settle does.",
    )
    .argument("[payments...]", "numbers, nonces or identities")
    .option("--all-rejected", "every rejected payment")
    .option("--reason <reason>", "with --all-rejected: only those that were rejected for this reason")
    .addOption(journalOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("retry 17 18", "retry --all-rejected --reason underfunded"))
    .action(runRetry);
}

async function runRetry(payments: readonly string[], options: Options): Promise<void> {
  const all = options.allRejected === true;
  if (all === payments.length > 0) {
    throw new UsageError("Name the payments to retry, or pass --all-rejected.");
  }
  if (options.reason !== undefined && !all) {
    throw new UsageError("--reason goes with --all-rejected only.");
  }
  await withJournal(options, async (journal) => {
    if (all) {
      const requeued = await retryRejected(journal, { by: BY, reason: options.reason });
      if (options.json === true) printJson({ requeued });
      else printLine(`${counted(requeued, "payment")} put back into the queue`);
      return;
    }
    for (const { id } of await findPayments(journal, payments)) {
      const answer = await retryPayment(journal, { id, by: BY });
      const requeued = answer.status === "requeued";
      const why = describe(answer);
      if (options.json === true) printJson({ id, requeued, why });
      else printLine(`payment ${id}: ${why}`);
      if (!requeued) currentRun().exitCode = EXIT.unsettled;
    }
  });
}

function describe(answer: RetryAnswer): string {
  switch (answer.status) {
    case "requeued":
      return "put back into the queue";
    case "not-retryable":
      return `it is ${answer.payment.state}, and only rejected or cancelled ones go back`;
    case "expired":
      return `its validBefore, ${answer.payment.deadlineSeconds}, has passed`;
    case "changed":
      return "it changed at the same moment; look at it again";
    case "unknown":
      return "the journal has no such payment";
  }
}

import { Command } from "commander";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { UsageError } from "../src/cli/exit/errors.ts";
import { EXIT } from "../src/cli/exit/exitCodes.ts";
import { findPayments } from "../src/cli/input/findPayments.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { counted } from "../src/cli/output/summary.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import type { Journal, PaymentRow, Transition } from "../src/journal/index.ts";

type Options = {
  readonly journal?: string;
  readonly allRejected?: true;
  readonly reason?: string;
  readonly json?: true;
};

/** What became of a request for one payment. */
type Answer = { readonly id: number; readonly requeued: boolean; readonly why: string };

const PER_PAGE = 500;

/** `tributary retry`: puts rejected payments back into the queue. */
export function retryCommand(): Command {
  return new Command("retry")
    .description(
      "Put rejected or cancelled payments back into the queue. An engine that runs on the journal takes them up; else the " +
        "next tributary settle does.",
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
      const requeued = await requeueAll(journal, options.reason);
      if (options.json === true) printJson({ requeued });
      else printLine(`${counted(requeued, "payment")} put back into the queue`);
      return;
    }
    const answers: Answer[] = [];
    for (const text of payments) {
      for (const row of await findPayments(journal, text)) answers.push(await requeue(journal, row));
    }
    for (const answer of answers) {
      if (options.json === true) printJson(answer);
      else printLine(`payment ${answer.id}: ${answer.why}`);
    }
    if (answers.some(({ requeued }) => !requeued)) currentRun().exitCode = EXIT.unsettled;
  });
}

async function requeue(journal: Journal, row: PaymentRow): Promise<Answer> {
  const { id, state, deadlineSeconds } = row;
  if (!mayRetry(row))
    return { id, requeued: false, why: `it is ${state}, and only rejected or cancelled ones go back` };
  if (deadlineSeconds <= BigInt(Math.floor(Date.now() / 1000))) {
    return { id, requeued: false, why: `its validBefore, ${deadlineSeconds}, has passed` };
  }
  const [moved] = await journal.transition([toQueue(row)], Date.now());
  if (moved === undefined) return { id, requeued: false, why: "it changed at the same moment; look at it again" };
  return { id, requeued: true, why: "put back into the queue" };
}

/** Those that a payer cancelled at the token stay cancelled. */
function mayRetry({ state, evidence }: PaymentRow): boolean {
  return state === "rejected" || (state === "cancelled" && evidence.kind === "request");
}

function toQueue({ id, state }: PaymentRow): Transition {
  return { paymentId: id, from: [state], to: "queued", evidence: { kind: "request", by: "tributary retry" } };
}

async function requeueAll(journal: Journal, reason: string | undefined): Promise<number> {
  let requeued = 0;
  for (let afterId = 0; ; ) {
    const rows = await journal.list({ states: ["rejected"], afterId, limit: PER_PAGE });
    const nowSeconds = BigInt(Math.floor(Date.now() / 1000));
    const wanted = rows.filter((row) => {
      return row.deadlineSeconds > nowSeconds && (reason === undefined || row.reason === reason);
    });
    requeued += (await journal.transition(wanted.map(toQueue), Date.now())).length;
    const last = rows.at(-1);
    if (last === undefined || rows.length < PER_PAGE) return requeued;
    afterId = last.id;
  }
}

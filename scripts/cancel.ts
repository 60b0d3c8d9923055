import { Command } from "commander";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { findPayments } from "../src/cli/input/findPayments.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { EXIT } from "../src/cli/process/exitCodes.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { type CancelAnswer, cancelPayment } from "../src/settlement/index.ts";

type Options = { readonly journal?: string; readonly json?: true };

/** `tributary cancel`: takes payments out of the queue. */
export function cancelCommand(): Command {
  return new Command("cancel")
    .description(
      "Take payments out of the queue, before a transaction carries them. The payer's authorization stays valid until its " +
        "validBefore: only the payer can make it void, at the token.",
    )
    .argument("<payments...>", "numbers, nonces or identities")
    .addOption(journalOption())
    .addOption(jsonOption())
    .addHelpText("after", examples("cancel 17"))
    .action(runCancel);
}

async function runCancel(payments: readonly string[], options: Options): Promise<void> {
  await withJournal(options, async (journal) => {
    for (const { id } of await findPayments(journal, payments)) {
      const answer = await cancelPayment(journal, { id, by: "tributary cancel" });
      const refusal = refusalOf(answer);
      if (options.json === true) printJson({ id, cancelled: refusal === undefined, why: refusal ?? null });
      else printLine(`payment ${id}: ${refusal ?? "taken out of the queue"}`);
      if (refusal !== undefined) currentRun().exitCode = EXIT.unsettled;
    }
  });
}

/** Why a payment was not cancelled; undefined if it was. */
function refusalOf(answer: CancelAnswer): string | undefined {
  switch (answer.status) {
    case "cancelled":
      return undefined;
    case "signed":
      return `not cancelled: it is ${answer.payment.state}, and a transaction that is signed may be mined at any moment`;
    case "decided":
      return `not cancelled: it is ${answer.payment.state} already`;
    case "changed":
      return "not cancelled: it changed at the same moment; try again";
    case "unknown":
      return "not cancelled: the journal has no such payment";
  }
}

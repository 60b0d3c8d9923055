import { Command } from "commander";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { EXIT } from "../src/cli/exit/exitCodes.ts";
import { findPayments } from "../src/cli/input/findPayments.ts";
import { examples } from "../src/cli/options/examples.ts";
import { jsonOption } from "../src/cli/options/options.ts";
import { printJson, printLine } from "../src/cli/output/output.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import type { Journal, PaymentRow } from "../src/journal/index.ts";

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
    for (const text of payments) {
      for (const row of await findPayments(journal, text)) {
        const refusal = await cancel(journal, row);
        if (options.json === true) printJson({ id: row.id, cancelled: refusal === undefined, why: refusal ?? null });
        else printLine(`payment ${row.id}: ${refusal ?? "taken out of the queue"}`);
        if (refusal !== undefined) currentRun().exitCode = EXIT.unsettled;
      }
    }
  });
}

/** Why it was not cancelled; undefined where it was. */
async function cancel(journal: Journal, row: PaymentRow): Promise<string | undefined> {
  const evidence = { kind: "request", by: "tributary cancel" } as const;
  const [moved] = await journal.transition(
    [{ paymentId: row.id, from: ["queued"], to: "cancelled", evidence }],
    Date.now(),
  );
  if (moved !== undefined) return undefined;
  const now = (await journal.payment(row.id)) ?? row;
  switch (now.state) {
    case "batched":
    case "submitted":
      return `not cancelled: it is ${now.state}, and a transaction that is signed may be mined at any moment`;
    case "queued":
      return "not cancelled: it changed at the same moment; try again";
    default:
      return `not cancelled: it is ${now.state} already`;
  }
}

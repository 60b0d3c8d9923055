import { existsSync } from "node:fs";
import { Command } from "commander";
import type { Address } from "viem";
import { journalOption, withJournal } from "../src/cli/connect/journal.ts";
import { findBatch, findPaymentsToRead, namesPayment, paymentsFrom } from "../src/cli/input/findPayments.ts";
import { examples } from "../src/cli/options/examples.ts";
import { address, jsonOption, network } from "../src/cli/options/options.ts";
import { attemptJson } from "../src/cli/output/attemptText.ts";
import { describeAge } from "../src/cli/output/duration.ts";
import { formatTable, printJson, printLine } from "../src/cli/output/output.ts";
import { paintState } from "../src/cli/output/paymentState.ts";
import { time } from "../src/cli/output/paymentText.ts";
import { showBatch } from "../src/cli/status/batch.ts";
import { LINES_SHOWN, showFile } from "../src/cli/status/file.ts";
import { showPayments } from "../src/cli/status/payments.ts";
import { STATES } from "../src/cli/status/states.ts";
import type { Network } from "../src/networks.ts";
import {
  attemptsOf,
  type Journal,
  OPEN_STATES,
  type SenderRow,
  type TransactionAttempt,
} from "../src/settlement/index.ts";

type Options = {
  readonly journal?: string;
  readonly network?: Network;
  readonly token?: Address;
  readonly all?: true;
  readonly json?: true;
};

/** `tributary status`: what the journal knows. Asks no node and needs no key. */
export function statusCommand(): Command {
  return new Command("status")
    .description(
      "Show what the journal knows: of everything, of one payment with its history, its evidence and every transaction that was " +
        "signed for it, of one transaction with its payments, or of each line of a file.",
    )
    .argument(
      "[what]",
      "a payment's number, nonce, identity, request id or source, the hash of a transaction, or a file of payments",
    )
    .addOption(journalOption())
    .option("--network <name>", "network of a file's payments that name none", network)
    .option("--token <address>", "token of a file's payments that name none", address)
    .option("--all", `show all that a file or a transaction holds, not only the first ${LINES_SHOWN}`)
    .addOption(jsonOption())
    .addHelpText("after", examples("status", "status 17", "status 0x5f3c…9a1e", "status payments.jsonl --json"))
    .action((what: string | undefined, options: Options) =>
      withJournal(options, async (journal) => {
        if (what === undefined) await showJournal(journal, options.json === true);
        else await show(journal, what, options);
      }),
    );
}

/** A hash may be a payment's nonce, a transaction's or a batch's; what else names no payment by itself is a file, if it is there. */
async function show(journal: Journal, what: string, options: Options): Promise<void> {
  const json = options.json === true;
  const batch = await findBatch(journal, what);
  if (batch !== undefined) return showBatch(journal, batch, options);
  if (namesPayment(what)) return showPayments(journal, await findPaymentsToRead(journal, what), json);
  const rows = existsSync(what) ? [] : await paymentsFrom(journal, what);
  return rows.length > 0 ? showPayments(journal, rows, json) : showFile(journal, what, options);
}

async function showJournal(journal: Journal, json: boolean): Promise<void> {
  const counts = await journal.count();
  const [oldest] = await journal.list({ states: ["queued"], limit: 1 });
  const senders = await journal.senders();
  const waiting = await oldestOpen(journal, senders);
  const open = OPEN_STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0);
  if (json) {
    printJson({
      payments: STATES.reduce((sum, state) => sum + (counts[state] ?? 0), 0),
      open,
      states: Object.fromEntries(STATES.map((state) => [state, counts[state] ?? 0])),
      oldestQueued: oldest === undefined ? null : { id: oldest.id, acceptedAt: time(oldest.acceptedAtMs) },
      senders: senders.map(({ chainId, sender, openBatches, lease }) => {
        return { chainId, sender, openBatches, owner: lease?.owner ?? null };
      }),
      oldestTransaction: waiting === undefined ? null : attemptJson(waiting),
    });
    return;
  }
  const rows = STATES.filter((state) => (counts[state] ?? 0) > 0).map((state) => [
    paintState(state),
    String(counts[state]),
  ]);
  printLine(formatTable([{ title: "state" }, { title: "payments", align: "right" }], rows));
  if (rows.length === 0) printLine("the journal is empty");
  if (oldest !== undefined) {
    printLine(`oldest in the queue: payment ${oldest.id}, accepted ${time(oldest.acceptedAtMs)}`);
  }
  for (const { chainId, sender, openBatches } of senders) {
    printLine(`${sender} on chain ${chainId}: ${openBatches} open ${openBatches === 1 ? "batch" : "batches"}`);
  }
  if (waiting !== undefined) {
    printLine(`open for the longest time: transaction ${waiting.hash}`);
    printLine(
      `  signed ${describeAge(waiting.signedAtMs, Date.now())}; tributary status HASH has its attempts and payments`,
    );
  }
}

/** The first transaction of the batch that is open for the longest time. */
async function oldestOpen(
  journal: Journal,
  senders: readonly Pick<SenderRow, "chainId" | "sender">[],
): Promise<TransactionAttempt | undefined> {
  const firsts = await Promise.all(
    senders.map(async ({ chainId, sender }) => {
      const [batch] = await journal.batches({ chainId, sender, states: ["open"], limit: 1 });
      return batch === undefined ? undefined : attemptsOf(batch)[0];
    }),
  );
  return firsts
    .filter((attempt) => attempt !== undefined)
    .sort((a, b) => a.signedAtMs - b.signedAtMs)
    .at(0);
}

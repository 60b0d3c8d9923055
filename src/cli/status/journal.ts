import { STATES } from "../../journal/ports/payments.ts";
import {
  attemptsOf,
  type Journal,
  OPEN_STATES,
  type SenderRow,
  type TransactionAttempt,
} from "../../settlement/index.ts";
import { attemptJson } from "../output/attemptText.ts";
import { describeAge } from "../output/duration.ts";
import { formatTable, printJson, printLine } from "../output/output.ts";
import { paintState } from "../output/paymentState.ts";
import { time } from "../output/paymentText.ts";

/** Prints what the whole journal holds. */
export async function showJournal(journal: Journal, json: boolean): Promise<void> {
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

/** The first transaction of the batch that has been open for longest. */
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

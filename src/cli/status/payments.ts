import { reasonText } from "../../journal/reasonText.ts";
import type { RetryRule } from "../../reasons.ts";
import { type Journal, type PaymentRow, readAttempts } from "../../settlement/index.ts";
import { retryRuleOf } from "../../settlement/outcome/retry.ts";
import { attemptJson, describeAttempts } from "../output/attemptText.ts";
import { formatTable, printJson, printLine } from "../output/output.ts";
import { paintState } from "../output/paymentState.ts";
import { evidenceText, paymentJson, time } from "../output/paymentText.ts";

/** Shows payments with their terms, their history and every transaction that was signed for them. */
export async function showPayments(journal: Journal, rows: readonly PaymentRow[], json: boolean): Promise<void> {
  for (const [index, row] of rows.entries()) {
    const history = await journal.history(row.id);
    const attempts = await readAttempts(journal, history);
    if (json) {
      printJson({ ...paymentJson(row, history), attempts: attempts.map(attemptJson) });
      continue;
    }
    if (index > 0) printLine();
    for (const line of describe(row)) printLine(line);
    printLine("history");
    for (const step of history) {
      const reason = shownReason(step);
      printLine(`  ${time(step.atMs)}  ${paintState(step.to)}${reason}: ${evidenceText(step.evidence)}`);
    }
    if (attempts.length > 0) printLine("transactions");
    for (const line of describeAttempts(attempts, Date.now(), row.id)) printLine(line);
  }
}

function describe(row: PaymentRow): string[] {
  const { work } = row;
  const terms =
    work.kind === "call"
      ? [["call", `${work.to}, ${work.gas} gas`]]
      : [
          ["payer", work.authorization.from],
          ["payee", work.authorization.to],
          ["value", `${work.authorization.value} of ${work.authorization.token}`],
          ["nonce", work.authorization.nonce],
        ];
  const reason = shownReason(row);
  const lines: string[][] = [
    ...terms,
    ["valid before", time(Number(row.deadlineSeconds < MAX_TIME ? row.deadlineSeconds : MAX_TIME) * 1000)],
    ["state", `${paintState(row.state)}${reason}`],
    ["evidence", evidenceText(row.evidence)],
    ["retry", RETRIES[retryRuleOf(row)]],
    ["source", row.source ?? "–"],
  ];
  return formatTable([{ title: "payment" }, { title: String(row.id) }], lines).split("\n");
}

function shownReason(row: Pick<PaymentRow, "reason" | "reasonCount">): string {
  const text = reasonText(row);
  return text === undefined ? "" : ` (${text})`;
}

/** The last second that a date can show. */
const MAX_TIME = 8_640_000_000_000n;

const RETRIES: Readonly<Record<RetryRule, string>> = {
  now: "not needed: it is in the queue",
  hold: "none while its outcome is unknown",
  "until-deadline": "tributary retry, once the reason has passed",
  never: "never",
};

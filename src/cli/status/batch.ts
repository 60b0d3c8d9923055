import { STATES } from "../../journal/ports/payments.ts";
import { attemptsOf, type BatchRow, type Journal, type PaymentRow } from "../../settlement/index.ts";
import { attemptJson, describeAttempts } from "../output/attemptText.ts";
import { formatTable, printJson, printLine } from "../output/output.ts";
import { paymentJson } from "../output/paymentText.ts";
import { counted } from "../output/summary.ts";
import { LINES_SHOWN } from "./file.ts";

/** Shows a batch: every transaction that was signed for it, and the state of its payments. */
export async function showBatch(
  journal: Journal,
  batch: BatchRow,
  options: { readonly all?: true; readonly json?: true },
): Promise<void> {
  const attempts = attemptsOf(batch);
  // The first attempt carries every payment that was ever in the batch.
  const rows = await journal.withIds(attempts[0]?.paymentIds ?? []);
  const { id, chainId, sender, txNonce, state } = batch;
  if (options.json === true) {
    const payments = rows.map((row) => paymentJson(row));
    printJson({ batch: { id, chainId, sender, txNonce, state }, attempts: attempts.map(attemptJson), payments });
    return;
  }
  const fields = [
    ["chain", String(chainId)],
    ["sender", sender],
    ["txNonce", String(txNonce)],
    ["state", BATCH_STATES[state]],
    ["payments", standing(rows)],
  ];
  printLine(formatTable([{ title: "batch" }, { title: id }], fields));
  printLine("transactions");
  for (const line of describeAttempts(attempts, Date.now())) printLine(line);
  const shown = options.all === true ? rows : rows.slice(0, LINES_SHOWN);
  if (shown.length > 0) printLine("payments");
  for (const row of shown) printLine(`  ${describe(row)}`);
  if (rows.length > shown.length) {
    printLine(`… and ${counted(rows.length - shown.length, "more payment")} (--all shows them, and so does --json)`);
  }
}

const BATCH_STATES = {
  open: "open: none of its transactions is mined yet",
  mined: "mined",
  final: "mined, in a final block",
  lost: "lost: a transaction from elsewhere took its txNonce",
} as const;

function standing(rows: readonly PaymentRow[]): string {
  const counts = STATES.map((state) => [state, rows.filter((row) => row.state === state).length] as const);
  return counts.flatMap(([state, count]) => (count === 0 ? [] : [`${count} ${state}`])).join(", ") || "none";
}

function describe({ id, state, work }: PaymentRow): string {
  if (work.kind === "call") return `${id}  ${state}  call to ${work.to}`;
  const { to, value, nonce } = work.authorization;
  return `${id}  ${state}  ${value} to ${to}, nonce ${nonce.slice(0, 10)}…`;
}

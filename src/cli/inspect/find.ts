import { existsSync } from "node:fs";
import type { Hex } from "viem";
import { TributaryError } from "../../errors.ts";
import {
  attemptsOf,
  DEFAULT_JOURNAL_PATH,
  type Journal,
  type PaymentRow,
  readAttempts,
  type TransactionAttempt,
} from "../../settlement/index.ts";
import { type JournalOption, openExistingJournal } from "../connect/journal.ts";
import { UsageError } from "../exit/errors.ts";
import { findBatch, findPaymentsToRead } from "../input/findPayments.ts";
import { notice } from "../output/output.ts";
import { evidenceText } from "../output/paymentText.ts";

/** What is to be inspected: one of these transactions, the likeliest first, and all that the journal knows of their kind. */
export type Target = { readonly hashes: readonly Hex[]; readonly attempts: readonly TransactionAttempt[] };

/**
 * Finds the transactions that a text names: a hash by itself; with a journal, also by a payment or a request. All that
 * were signed for one batch belong together, since any of them may be the one that was mined.
 * @throws UsageError if it names none, or more than one batch's.
 */
export async function findTarget(what: string, options: JournalOption): Promise<Target> {
  const hash = hashFrom(what);
  const journal = await openIfThere(options, hash !== undefined);
  // Without a journal a hash is asked for as it is.
  if (journal === undefined) return { hashes: hash === undefined ? [] : [hash], attempts: [] };
  try {
    const batch = await findBatch(journal, what);
    if (batch !== undefined) return targetOf(attemptsOf(batch), hash);
    if (hash === undefined) return await findByPayment(journal, what, await findPaymentsToRead(journal, what));
    const rows = await journal.withNonce(hash);
    return rows.length > 0 ? await findByPayment(journal, what, rows) : { hashes: [hash], attempts: [] };
  } finally {
    await journal.close();
  }
}

async function findByPayment(journal: Journal, what: string, rows: readonly PaymentRow[]): Promise<Target> {
  const found: Target[] = [];
  for (const row of rows) {
    const attempts = await readAttempts(journal, await journal.history(row.id));
    const { evidence } = row;
    const settledIn = "transactionHash" in evidence ? evidence.transactionHash : undefined;
    if (attempts.length > 0 || settledIn !== undefined) found.push(targetOf(attempts, settledIn));
  }
  const [first, second] = found;
  const [row] = rows;
  if (first === undefined || row === undefined) {
    throw new UsageError(`No transaction was signed for ${what} yet.`, {
      details: row === undefined ? "" : `Payment ${row.id} is ${row.state}: ${evidenceText(row.evidence)}.`,
      hint: "tributary status shows what it waits for.",
    });
  }
  if (second === undefined) return first;
  throw new UsageError(`${what} names ${rows.length} payments, in several transactions.`, {
    hint: `tributary status ${what} shows all of them; inspect one by its number.`,
  });
}

/**
 * The order: what was mined as far as the journal knows, then what was asked for, then the others, the newest first.
 */
function targetOf(attempts: readonly TransactionAttempt[], asked: Hex | undefined): Target {
  const mined = attempts.filter(({ fate }) => fate === "mined").map(({ hash }) => hash);
  const others = attempts.map(({ hash }) => hash).reverse();
  const known = attempts.some(({ hash }) => hash === asked) || attempts.length === 0;
  const first = known && asked !== undefined ? [asked] : [];
  return { hashes: [...new Set([...mined.reverse(), ...first, ...others])], attempts };
}

/** The journal, if there is one. A transaction's hash needs none, so then the default one is opened as a favour. */
async function openIfThere(options: JournalOption, mayLack: boolean): Promise<Journal | undefined> {
  if (options.journal !== undefined || !mayLack) return openExistingJournal(options);
  if (!existsSync(DEFAULT_JOURNAL_PATH)) return undefined;
  try {
    return await openExistingJournal(options);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    notice(`notice: the journal was left out: ${error.shortMessage}`);
    return undefined;
  }
}

function hashFrom(text: string): Hex | undefined {
  return /^0x[0-9a-f]{64}$/i.test(text) ? `0x${text.slice(2).toLowerCase()}` : undefined;
}

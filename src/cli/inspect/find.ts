import { existsSync } from "node:fs";
import type { Hex } from "viem";
import { TributaryError } from "../../errors.ts";
import { transactionOf } from "../../journal/ports/evidence.ts";
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

/** The transactions to inspect, the likeliest first, and what the journal knows of their batch's transactions. */
export type Target = { readonly hashes: readonly Hex[]; readonly attempts: readonly TransactionAttempt[] };

/**
 * Finds the transactions that a text names: by a hash, or with a journal also by a payment or a request. All
 * transactions of a batch belong together, since any of them may be the one that was mined.
 * @throws UsageError if it names no transaction, or those of several batches.
 */
export async function findTarget(what: string, options: JournalOption): Promise<Target> {
  const hash = hashFrom(what);
  const journal = await openIfThere(options, hash !== undefined);
  // Without a journal, the hash itself is all there is.
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
    const settledIn = transactionOf(row);
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
 * Orders the hashes: first what the journal knows as mined, then what was asked for, then the others, newest first.
 */
function targetOf(attempts: readonly TransactionAttempt[], asked: Hex | undefined): Target {
  const mined = attempts.filter(({ fate }) => fate === "mined").map(({ hash }) => hash);
  const others = attempts.map(({ hash }) => hash).reverse();
  const known = attempts.some(({ hash }) => hash === asked) || attempts.length === 0;
  const first = known && asked !== undefined ? [asked] : [];
  return { hashes: [...new Set([...mined.reverse(), ...first, ...others])], attempts };
}

/** The journal, if there is one. A hash can be inspected without one, so then the default journal may be missing. */
async function openIfThere(options: JournalOption, mayLack: boolean): Promise<Journal | undefined> {
  if (options.journal !== undefined || !mayLack) return openExistingJournal(options);
  if (!existsSync(DEFAULT_JOURNAL_PATH)) return undefined;
  try {
    return await openExistingJournal(options);
  } catch (error) {
    if (!(error instanceof TributaryError)) throw error;
    notice(`notice: the journal was not used: ${error.shortMessage}`);
    return undefined;
  }
}

function hashFrom(text: string): Hex | undefined {
  return /^0x[0-9a-f]{64}$/i.test(text) ? `0x${text.slice(2).toLowerCase()}` : undefined;
}

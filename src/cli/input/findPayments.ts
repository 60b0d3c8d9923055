import type { Hex } from "viem";
import type { BatchRow, Journal, PaymentRow } from "../../journal/index.ts";
import { UsageError } from "../exit/errors.ts";

/**
 * The payments that `texts` name. Each is a number of the journal, an identity (`chainId:token:payer:nonce`), or a nonce
 * of 32 bytes, which several payers may use. An identity names all of its variants.
 * @throws UsageError if one of them names no payment of the journal.
 */
export async function findPayments(journal: Journal, texts: readonly string[]): Promise<readonly PaymentRow[]> {
  const found: PaymentRow[] = [];
  for (const text of texts) {
    const rows = await lookUp(journal, text);
    if (rows.length === 0) {
      throw new UsageError(`The journal has no payment ${text}.`, {
        hint: "Give its number, its nonce, or its identity: chainId:token:payer:nonce. tributary export lists all of them.",
      });
    }
    found.push(...rows);
  }
  return found;
}

/**
 * Like {@link findPayments}, for one text and commands that only read: it may also be the source of payments.
 * @throws UsageError if the journal knows none.
 */
export async function findPaymentsToRead(journal: Journal, text: string): Promise<readonly PaymentRow[]> {
  const rows = await lookUp(journal, text);
  const found = rows.length > 0 || namesPayment(text) ? rows : await paymentsFrom(journal, text);
  if (found.length > 0) return found;
  if (isNonce(text)) {
    throw new UsageError(`The journal has no payment and no transaction ${text}.`, {
      hint: "tributary inspect asks the node about any transaction.",
    });
  }
  throw new UsageError(`The journal has no payment ${text}.`, {
    hint: "Give its number, nonce, identity (chainId:token:payer:nonce), source or request id, or a transaction's hash.",
  });
}

/** The most payments of one source that are returned. */
const MOST_OF_SOURCE = 100;

/** The payments of the facilitator's request with this id, or from this source, such as a line of a file. */
export async function paymentsFrom(journal: Journal, text: string): Promise<readonly PaymentRow[]> {
  const rows = await journal.withSource(`x402:${text}`, MOST_OF_SOURCE);
  return rows.length > 0 ? rows : journal.withSource(text, MOST_OF_SOURCE);
}

/** The batch that `text` names, by the hash of one of its transactions or by its id; undefined if there is none. */
export async function findBatch(journal: Journal, text: string): Promise<BatchRow | undefined> {
  if (!isNonce(text)) return undefined;
  const hash: Hex = `0x${text.slice(2).toLowerCase()}`;
  return (await journal.batchWithHash(hash)) ?? journal.batch(hash);
}

/** Whether `text` has the form of a payment's name, so it is not a file's. */
export function namesPayment(text: string): boolean {
  return /^[0-9]{1,15}$/.test(text) || isNonce(text) || isIdentity(text);
}

async function lookUp(journal: Journal, text: string): Promise<readonly PaymentRow[]> {
  if (/^[0-9]{1,15}$/.test(text)) {
    const row = await journal.payment(Number(text));
    return row === undefined ? [] : [row];
  }
  if (isNonce(text)) return journal.withNonce(text);
  // A call's identity keeps the case of its key.
  return journal.variants(isIdentity(text) && !text.startsWith("call:") ? text.toLowerCase() : text);
}

function isNonce(text: string): text is `0x${string}` {
  return /^0x[0-9a-fA-F]{64}$/.test(text);
}

function isIdentity(text: string): boolean {
  return /^[0-9]+:0x[0-9a-f]{40}:0x[0-9a-f]{40}:0x[0-9a-f]{64}$/i.test(text) || text.startsWith("call:");
}

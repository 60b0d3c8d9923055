import { createHash } from "node:crypto";
import type { Address } from "viem";
import type { NoteJournal } from "../../journal/ports/notes.ts";
import type { Merchant } from "../callers/merchants.ts";
import type { ExactRequest, Reading } from "../wire/body.ts";

// Ties a name that a caller chose to one request, in the journal. Under an Idempotency-Key, a merchant may hear its success
// again; under a payment-identifier, a buyer may not.

/** A name that is bound to another payment. */
export class ClaimConflictError extends Error {
  override readonly name = "ClaimConflictError";
}

/** A header that cannot be read. */
export class MalformedHeaderError extends Error {
  override readonly name = "MalformedHeaderError";
}

/** Takes back what was claimed for a payment that was not accepted after all. */
export type Undo = () => Promise<void>;

/** A hash of everything that identifies a payment: chain, scheme, asset, payee, amount, terms and signature. */
export function fingerprintOf({ required, authorization, signature }: ExactRequest, chainId: number): string {
  const { from, to, value, validAfter, validBefore, nonce } = authorization;
  const { scheme, asset, payTo, amount } = required;
  const parts = [chainId, scheme, asset, payTo, amount, from, to, value, validAfter, validBefore, nonce, signature];
  return sha256(parts.map(String).join(" "));
}

/** Reads the header Idempotency-Key. */
export function readIdempotencyKey(header: string | undefined): Reading<string | undefined> {
  if (header === undefined) return { ok: true, value: undefined };
  if (/^[\x21-\x7e]{1,255}$/.test(header)) return { ok: true, value: header };
  return { ok: false, problem: "Idempotency-Key: is not 1 to 255 visible ASCII characters" };
}

/** The name under which a success may be heard again: a merchant together with one of its Idempotency-Keys. */
export function holderOf(merchant: Merchant, idempotencyKey: string): string {
  return `${merchant.id}:${sha256(idempotencyKey)}`;
}

/** Binds a merchant's Idempotency-Key to a payment. @throws ClaimConflictError if it is bound to another. */
export async function claimHolder(journal: NoteJournal, holder: string, fingerprint: string): Promise<void> {
  if ((await journal.setOnce(`idempotency:${holder}`, fingerprint)) === fingerprint) return;
  throw new ClaimConflictError("this Idempotency-Key belongs to another payment");
}

/** A payer's own id for a payment. Other payers may use the same id. */
export type Identifier = { readonly chainId: number; readonly payer: Address; readonly id: string };

function identifierName({ chainId, payer, id }: Identifier): string {
  return `payment-identifier:${chainId}:${payer.toLowerCase()}:${id}`;
}

/** Binds nothing. @throws ClaimConflictError if the payer's id is bound to another payment. */
export async function checkIdentifier(
  journal: NoteJournal,
  identifier: Identifier,
  fingerprint: string,
): Promise<void> {
  const bound = await journal.cursor(identifierName(identifier));
  if (bound !== undefined && bound !== fingerprint) throw identifierConflict();
}

/** Binds a payer's id to a payment. @throws ClaimConflictError if it is bound to another. */
export async function claimIdentifier(
  journal: NoteJournal,
  identifier: Identifier,
  fingerprint: string,
): Promise<Undo> {
  const name = identifierName(identifier);
  if ((await journal.setOnce(name, fingerprint)) !== fingerprint) throw identifierConflict();
  return () => journal.unset(name, fingerprint);
}

function identifierConflict(): ClaimConflictError {
  return new ClaimConflictError("this payment identifier belongs to another payment");
}

function sha256(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}

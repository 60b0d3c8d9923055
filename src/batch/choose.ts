import { sameTerms } from "../authorization/identity.ts";
import { comparePayments, compareValues } from "./compare.ts";
import type { PaymentTable } from "./table.ts";
import type { DropReason } from "./types.ts";

/** What a plan does with one payment. */
export const LIVE = 0;
export const DEFERRED = 1;
export const DROPPED = 2;

/** Per payment {@link LIVE}, {@link DEFERRED} or {@link DROPPED}, and how to drop one. */
export type Fates = { readonly of: Uint8Array; readonly drop: (index: number, reason: DropReason) => void };

/**
 * Keeps one payment per identity, and for each payer no more payments than its balance covers.
 *
 * Of several payments with one identity, the first by these rules stays: live before deferred, larger value, then the
 * order of {@link comparePayments}. A payer's balance goes to its payments in the order of {@link comparePayments}
 * (earliest deadline, then largest value). Payments that the rest of the balance does not cover are skipped. What a
 * payer receives in the same plan does not count: that payment may fail. Deferred payments get no part of the balance.
 */
export function choosePayments(
  table: PaymentTable,
  fates: Fates,
  balanceOf: (payer: number) => bigint | undefined,
): void {
  forEachPayer(table, fates, (payer, own) => {
    if (own.length > 1) keepOnePerIdentity(table, fates, own);
    const balance = balanceOf(payer);
    if (balance !== undefined) keepWithinBalance(table, fates, own, balance);
  });
}

function keepOnePerIdentity(table: PaymentTable, fates: Fates, own: Uint32Array): void {
  const { payments } = table;
  const keptByNonce = new Map<string, number>();
  let clashes = false;
  for (const index of own) {
    const nonce = payments[index]!.nonce.toLowerCase();
    const kept = keptByNonce.get(nonce);
    if (kept !== undefined) clashes = true;
    if (kept === undefined || comparePreference(table, fates, index, kept) < 0) keptByNonce.set(nonce, index);
  }
  if (!clashes) return;
  for (const index of own) {
    const kept = keptByNonce.get(payments[index]!.nonce.toLowerCase())!;
    const of = payments[kept]!;
    if (kept !== index) fates.drop(index, { kind: sameTerms(of, payments[index]!) ? "duplicate" : "variant", of });
  }
}

/** Which of two payments with one identity stays. */
function comparePreference(table: PaymentTable, fates: Fates, a: number, b: number): number {
  return (
    fates.of[a]! - fates.of[b]! ||
    compareValues(table.payments[b]!.value, table.payments[a]!.value) ||
    comparePayments(table, a, b)
  );
}

function keepWithinBalance(table: PaymentTable, fates: Fates, own: Uint32Array, balance: bigint): void {
  const { payments } = table;
  let total = 0n;
  for (const index of own) if (fates.of[index] === LIVE) total += payments[index]!.value;
  if (total <= balance) return;

  let committed = 0n;
  for (const index of own.sort((a, b) => comparePayments(table, a, b))) {
    if (fates.of[index] !== LIVE) continue;
    const { value } = payments[index]!;
    if (value > balance) fates.drop(index, { kind: "underfunded", value, balance });
    else if (value > balance - committed) fates.drop(index, { kind: "over-committed", value, balance, committed });
    else committed += value;
  }
}

/** Calls back with each payer and its payments that are not dropped, as a list that the callee may reorder. */
function forEachPayer(table: PaymentTable, fates: Fates, visit: (payer: number, own: Uint32Array) => void): void {
  // Counting sort: where each payer's payments start.
  const starts = new Uint32Array(table.addresses.length + 1);
  for (const [index, payer] of table.payer.entries()) if (fates.of[index] !== DROPPED) starts[payer + 1]! += 1;
  for (let payer = 1; payer < starts.length; payer += 1) starts[payer]! += starts[payer - 1]!;
  const sorted = new Uint32Array(starts[starts.length - 1]!);
  const next = starts.slice();
  for (const [index, payer] of table.payer.entries()) {
    if (fates.of[index] === DROPPED) continue;
    sorted[next[payer]!] = index;
    next[payer]! += 1;
  }
  for (let payer = 0; payer + 1 < starts.length; payer += 1) {
    const start = starts[payer]!;
    const end = starts[payer + 1]!;
    if (end > start) visit(payer, sorted.subarray(start, end));
  }
}

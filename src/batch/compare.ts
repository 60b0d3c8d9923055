import type { PaymentTable } from "./table.ts";
import type { PlannablePayment } from "./types.ts";

/**
 * The order of payments when nothing else decides: earlier deadline, larger value, then payer, payee, token, nonce,
 * end, start, signature, code. With it, a plan depends on the set of payments and not on their order in the input.
 */
export function comparePayments(table: PaymentTable, a: number, b: number): number {
  const byDeadline = table.deadline[a]! - table.deadline[b]!;
  if (byDeadline !== 0) return byDeadline;
  const left = table.payments[a]!;
  const right = table.payments[b]!;
  return (
    compareValues(right.value, left.value) ||
    compareAccounts(table, table.payer[a]!, table.payer[b]!) ||
    compareAccounts(table, table.payee[a]!, table.payee[b]!) ||
    compareTokens(table, a, b) ||
    compareRest(left, right)
  );
}

/** By address. */
export function compareAccounts(table: PaymentTable, a: number, b: number): number {
  if (a === b) return 0;
  return table.prefixes[a]! - table.prefixes[b]! || compareText(table.addresses[a]!, table.addresses[b]!);
}

/** By their {@link tokenKey}. */
export function compareTokens(table: PaymentTable, a: number, b: number): number {
  if (table.token[a] === table.token[b]) return 0;
  return compareText(table.tokens[table.token[a]!]!.key, table.tokens[table.token[b]!]!.key);
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

export function compareValues(a: bigint, b: bigint): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

function compareRest(a: PlannablePayment, b: PlannablePayment): number {
  return (
    compareText(a.nonce.toLowerCase(), b.nonce.toLowerCase()) ||
    compareValues(a.validBefore, b.validBefore) ||
    compareValues(a.validAfter, b.validAfter) ||
    compareText(a.signature, b.signature) ||
    codeRank(a) - codeRank(b)
  );
}

/** A payer that is known to have code comes before one that may have none: when in doubt, the careful case wins. */
function codeRank({ payerHasCode }: PlannablePayment): number {
  return payerHasCode === true ? 0 : payerHasCode === false ? 2 : 1;
}

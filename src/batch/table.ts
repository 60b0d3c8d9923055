import type { PlannablePayment } from "./types.ts";
import { tokenKey } from "./types.ts";

/**
 * The payments of a plan in columns, with tokens and accounts as small numbers. A million payments are compared and
 * counted many times; an object or string made for each would cost more than the planning itself.
 */
export type PaymentTable = {
  readonly payments: readonly PlannablePayment[];
  /** Per payment: its index in `tokens`. */
  readonly token: Uint32Array;
  /** Per payment: the accounts that pay and are paid. Accounts of different tokens are different accounts. */
  readonly payer: Uint32Array;
  readonly payee: Uint32Array;
  /** Per payment: `validBefore`, capped at 2^53 − 1 so that it fits a number. */
  readonly deadline: Float64Array;
  readonly tokens: readonly TokenColumn[];
  /** Per account: its address in lower case, and the first 48 bits of it, which mostly suffice to compare. */
  readonly addresses: readonly string[];
  readonly prefixes: readonly number[];
};

/** One token of the plan: its key and its accounts' numbers by address. */
export type TokenColumn = { readonly key: string; readonly accounts: ReadonlyMap<string, number> };

/** Reads the payments into columns. */
export function tabulate(payments: readonly PlannablePayment[]): PaymentTable {
  const count = payments.length;
  const token = new Uint32Array(count);
  const payer = new Uint32Array(count);
  const payee = new Uint32Array(count);
  const deadline = new Float64Array(count);
  const tokens: { key: string; accounts: Map<string, number> }[] = [];
  const tokenNumbers = new Map<string, number>();
  const addresses: string[] = [];
  const prefixes: number[] = [];

  const numberOf = (accounts: Map<string, number>, address: string): number => {
    const key = address.toLowerCase();
    let account = accounts.get(key);
    if (account === undefined) {
      account = addresses.length;
      accounts.set(key, account);
      addresses.push(key);
      prefixes.push(Number.parseInt(key.slice(2, 14), 16));
    }
    return account;
  };

  for (const [index, payment] of payments.entries()) {
    const key = tokenKey(payment.chainId, payment.token);
    let number = tokenNumbers.get(key);
    if (number === undefined) {
      number = tokens.length;
      tokenNumbers.set(key, number);
      tokens.push({ key, accounts: new Map() });
    }
    const accounts = tokens[number]!.accounts;
    token[index] = number;
    payer[index] = numberOf(accounts, payment.from);
    payee[index] = numberOf(accounts, payment.to);
    deadline[index] = toDeadline(payment.validBefore);
  }
  return { payments, token, payer, payee, deadline, tokens, addresses, prefixes };
}

/** A time in seconds as a number. A time beyond 2^53 − 1 counts as 2^53 − 1, which is as good as never. */
export function toDeadline(seconds: bigint): number {
  return seconds > BigInt(Number.MAX_SAFE_INTEGER) ? Number.MAX_SAFE_INTEGER : Number(seconds);
}

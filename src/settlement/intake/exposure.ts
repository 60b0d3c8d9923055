import type { Address } from "viem";
import type { AuthorizationIdentity } from "../../authorization/identity.ts";
import { isDecided, type PaymentRow } from "../../journal/ports/payments.ts";

/** What is remembered of an open payment: there may be many. */
export type OpenPayment = AuthorizationIdentity & { readonly value: bigint };

/** What payers owe and have, as far as this engine knows. Values in atomic units. */
export type Exposure = {
  /** A payment as it is now. */
  readonly note: (row: Pick<PaymentRow, "id" | "state" | "work">) => void;
  readonly unsettled: (token: Address, payer: Address) => bigint;
  /** The open payments of a payer. */
  readonly open: (token: Address, payer: Address) => readonly OpenPayment[];
  readonly noteBalance: (token: Address, payer: Address, balance: bigint) => void;
  /**
   * Whether a payer's unsettled payments come to `permille` of the balance that was last seen. A payer with a balance
   * of 0 has none to lose, so it is false.
   */
  readonly isStrained: (token: Address, payer: Address, permille: bigint) => boolean;
  /** Whether a payment counts as open here. */
  readonly has: (id: number) => boolean;
  /** Some open payments, and the next ones the next time. */
  readonly some: (limit: number) => readonly number[];
  /** Payers of open payments, the most exposed first. */
  readonly payers: (limit: number) => readonly { readonly token: Address; readonly payer: Address }[];
};

export function createExposure(): Exposure {
  type Account = {
    readonly token: Address;
    readonly payer: Address;
    readonly ids: Set<number>;
    unsettled: bigint;
    balance: bigint | undefined;
  };
  const accounts = new Map<string, Account>();
  const payments = new Map<number, Pick<OpenPayment, "chainId" | "nonce" | "value">>();
  const keyOf = (token: Address, payer: Address): string => `${token}:${payer}`.toLowerCase();

  return {
    note: ({ id, state, work }) => {
      const spending = work.kind === "authorization" ? work.authorization : work.spends;
      if (spending === undefined) return;
      const { chainId, token, from, nonce, value } = spending;
      const key = keyOf(token, from);
      if (!isDecided({ state })) {
        if (payments.has(id)) return;
        payments.set(id, { chainId, nonce, value });
        const fresh = { token, payer: from, ids: new Set<number>(), unsettled: 0n, balance: undefined };
        const account = accounts.get(key) ?? fresh;
        account.ids.add(id);
        account.unsettled += value;
        accounts.set(key, account);
        return;
      }
      const account = accounts.get(key);
      if (!payments.delete(id) || account === undefined) return;
      account.ids.delete(id);
      account.unsettled -= value;
      // The balance that was seen is outdated now.
      account.balance = undefined;
      if (account.ids.size === 0) accounts.delete(key);
    },
    unsettled: (token, payer) => accounts.get(keyOf(token, payer))?.unsettled ?? 0n,
    open: (token, payer) =>
      [...(accounts.get(keyOf(token, payer))?.ids ?? [])].flatMap((id) => {
        const payment = payments.get(id);
        return payment === undefined ? [] : [{ ...payment, token, from: payer }];
      }),
    noteBalance: (token, payer, balance) => {
      const account = accounts.get(keyOf(token, payer));
      if (account !== undefined) account.balance = balance;
    },
    isStrained: (token, payer, permille) => {
      const account = accounts.get(keyOf(token, payer));
      if (account?.balance === undefined || account.balance === 0n || account.unsettled === 0n) return false;
      return account.unsettled * 1000n >= account.balance * permille;
    },
    has: (id) => payments.has(id),
    some: (limit) => {
      const ids: number[] = [];
      for (const id of payments.keys()) if (ids.push(id) >= limit) break;
      // Move them to the end, behind those that have not had their turn.
      for (const id of ids) {
        const payment = payments.get(id);
        payments.delete(id);
        if (payment !== undefined) payments.set(id, payment);
      }
      return ids;
    },
    payers: (limit) =>
      [...accounts.values()]
        .sort((a, b) => (a.unsettled > b.unsettled ? -1 : a.unsettled < b.unsettled ? 1 : 0))
        .slice(0, limit)
        .map(({ token, payer }) => ({ token, payer })),
  };
}

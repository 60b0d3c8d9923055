import { authorizationId } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { readBalances } from "../../chain/facts/balances.ts";
import { readUsed } from "../../chain/facts/facts.ts";
import { groupBy } from "../../lists.ts";
import type { Exposure } from "./exposure.ts";

export type FundsPort = { readonly client: ChainClient; readonly exposure: Exposure };

/** Why a payer cannot pay: their balance, and how much of it is promised already, in atomic units. */
export type Shortfall = { readonly balance: bigint; readonly committed: bigint };

/**
 * Finds the payments that their payers' balances do not cover, besides what those payers have unsettled here. Payments
 * of one payer count one after the other, in their order; one that is open already counts once.
 * @param balances Balances of payers (in lower case) of a moment ago. If a payer had enough then, the balance is not
 * read again.
 * @throws ChainUnavailableError if the node does not answer, ChainMismatchError if there is no such token.
 */
export async function findShortfalls(
  { client, exposure }: FundsPort,
  payments: readonly SignedAuthorization[],
  balances?: ReadonlyMap<string, bigint>,
): Promise<ReadonlyMap<SignedAuthorization, Shortfall>> {
  const shortfalls = new Map<SignedAuthorization, Shortfall>();
  for (const group of byPayer(payments)) {
    const [first] = group;
    if (first === undefined) continue;
    const { token, from } = first;
    const open = exposure.open(token, from);
    // The caller checks a payer's first payment by itself.
    if (balances === undefined && open.length === 0 && group.length === 1) continue;
    const total = [...open, ...group].reduce((sum, { value }) => sum + value, 0n);
    const before = balances?.get(from.toLowerCase());
    if (before !== undefined && total <= before) continue;
    // Read both at one block: a payment that is mined by then has left the balance, and is not counted.
    const at = { blockNumber: await ask("its newest block", client.getBlockNumber()) };
    const [[balance = 0n], used] = await Promise.all([
      readBalances(client, token, [from], at),
      open.length === 0 ? new Set<string>() : readUsed(client, token, open, at),
    ]);
    const counted = new Set<string>();
    let committed = 0n;
    for (const payment of open) {
      const id = authorizationId(payment);
      // Of several terms under one nonce only one can settle.
      if (used.has(id) || counted.has(id)) continue;
      counted.add(id);
      committed += payment.value;
    }
    for (const payment of group) {
      if (counted.has(authorizationId(payment))) continue;
      if (committed + payment.value > balance) shortfalls.set(payment, { balance, committed });
      else committed += payment.value;
    }
  }
  return shortfalls;
}

function byPayer(payments: readonly SignedAuthorization[]): Iterable<readonly SignedAuthorization[]> {
  return groupBy(payments, ({ token, from }) => `${token}:${from}`.toLowerCase()).values();
}

import { authorizationId } from "../../authorization/identity.ts";
import type { SignedAuthorization } from "../../authorization/types.ts";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { readBalances } from "../../chain/facts/balances.ts";
import { readUsed } from "../../chain/facts/facts.ts";
import type { Exposure } from "./exposure.ts";

export type FundsPort = { readonly client: ChainClient; readonly exposure: Exposure };

/** What a payer cannot pay: what is promised of the balance already, in atomic units. */
export type Shortfall = { readonly balance: bigint; readonly committed: bigint };

/**
 * Of some payments, which their payers' balances do not cover beside what those have unsettled here. Payments of one
 * payer count one after the other, in their order; one that is open already counts once.
 * @param balances Of payers in lower case, as they were a moment ago: whoever had enough then is not asked about again.
 * @throws ChainUnavailableError if the node does not answer, ChainMismatchError if the token is none.
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
    // A first payment is up to whoever looks at it alone.
    if (balances === undefined && open.length === 0 && group.length === 1) continue;
    const total = [...open, ...group].reduce((sum, { value }) => sum + value, 0n);
    const before = balances?.get(from.toLowerCase());
    if (before !== undefined && total <= before) continue;
    // Both at one block: what is mined by then is out of the balance, and counts no more.
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
  const groups = new Map<string, SignedAuthorization[]>();
  for (const payment of payments) {
    const key = `${payment.token}:${payment.from}`.toLowerCase();
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [payment]);
    else group.push(payment);
  }
  return groups.values();
}

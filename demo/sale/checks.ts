import type { Address } from "viem";
import { formatAmount } from "../../src/money.ts";
import type { Check } from "../figures.ts";
import type { Measurement } from "../measure.ts";
import type { Purchase } from "./fleet.ts";
import type { Settled } from "./ledger.ts";

/** What the buyers, the chain and the facilitator say about the sale. */
export type SaleEvidence = {
  readonly price: bigint;
  readonly requests: number;
  readonly purchases: readonly Purchase[];
  /** From the chain: the facilitator's transactions, and the authorizations that the token's logs prove. */
  readonly settled: Settled;
  /** Balances in USDC by account, when the sale began and when it was over. */
  readonly before: ReadonlyMap<Address, bigint>;
  readonly after: ReadonlyMap<Address, bigint>;
  readonly payee: Address;
  /** Accounts that must not keep anything: the router's and the facilitator's. */
  readonly passive: readonly Address[];
  /** How many payments are in each state in the facilitator's journal. */
  readonly journal: Readonly<Record<string, number>>;
  readonly oneByOne: Measurement;
};

/** Compares what the buyers saw with what the chain holds. */
export function checkSale(evidence: SaleEvidence): Check[] {
  const { price, requests, purchases, settled, before, after, payee, passive, journal, oneByOne } = evidence;
  const served = purchases.filter(({ status }) => status === 200);
  const problems = purchases.flatMap(({ problem }) => (problem === undefined ? [] : [problem]));
  const proved = served.filter(({ buyer, nonce, receipt }) => {
    return nonce !== undefined && settled.uses.get(`${buyer}:${nonce}`.toLowerCase()) === receipt?.transaction;
  });
  const nonces = new Set(served.map(({ nonce }) => nonce)).size;
  const change = (account: Address): bigint => (after.get(account) ?? 0n) - (before.get(account) ?? 0n);
  const bought = new Map<Address, bigint>();
  for (const { buyer } of served) bought.set(buyer, (bought.get(buyer) ?? 0n) + price);
  const buyers = [...before.keys()].filter((account) => account !== payee && !passive.includes(account));
  const off = buyers.filter((buyer) => change(buyer) !== -(bought.get(buyer) ?? 0n));
  const paid = buyers.reduce((sum, buyer) => sum - change(buyer), 0n);
  const due = price * BigInt(served.length);
  const kept = passive.reduce((sum, account) => sum + change(account), 0n);
  const states = Object.entries(journal).map(([state, count]) => `${count} ${state}`);
  return [
    {
      name: "every request was served",
      holds: served.length === requests && problems.length === 0,
      found: `${served.length} of ${requests}${problems[0] === undefined ? "" : `, the first problem: ${problems[0]}`}`,
    },
    {
      name: "every answer was paid by its own authorization, in the transaction that its receipt names",
      holds: proved.length === served.length && nonces === served.length && settled.uses.size === served.length,
      found: `${proved.length} proved by the token's logs, ${nonces} nonces, ${settled.uses.size} authorizations used`,
    },
    {
      name: "every buyer paid for what they got, to the unit",
      holds: off.length === 0 && paid === due,
      found:
        off.length === 0 ? `${buyers.length} buyers, $${formatAmount(paid, 6)}` : `${off.length} are off: ${off[0]}`,
    },
    {
      name: "the payee has all of it, to the unit",
      holds: change(payee) === due,
      found: `$${formatAmount(change(payee), 6)} of $${formatAmount(due, 6)}`,
    },
    {
      name: "the router and the facilitator kept nothing",
      holds: kept === 0n,
      found: `$${formatAmount(kept, 6)}`,
    },
    {
      name: "the facilitator's journal says the same",
      holds: journal.settled === served.length && states.length === 1,
      found: states.join(", ") || "nothing",
    },
    {
      name: "one by one settles the same payments",
      holds: oneByOne.settled === settled.uses.size,
      found: `${oneByOne.settled} in ${oneByOne.transactions} transactions`,
    },
  ];
}

import { type Address, getAddress } from "viem";
import type { Tally } from "../../job/summary.ts";

/** Who knows of a settlement. `undecided`: the chain has it, and the journal may still learn of it. */
export type Side = "matched" | "onlyInJournal" | "onlyOnChain" | "undecided";

/** One payer or payee. Values in atomic units. */
export type Party = { readonly address: Address } & { readonly [side in Side]: Tally } & {
  /** Undefined if the node did not have the state of both ends of the range, as is `balanceAfter`. */
  readonly balanceBefore: bigint | undefined;
  readonly balanceAfter: bigint | undefined;
  /**
   * The final balance minus the balance that the journal's settlements and all other transfers add up to. Zero if all
   * is well; undefined if a balance is.
   */
  readonly drift: bigint | undefined;
};

export type Balances = ReadonlyMap<Address, { readonly before: bigint; readonly after: bigint }>;

export type Ledger = {
  readonly add: (
    side: Side,
    settlement: { readonly from: Address; readonly to: Address; readonly value: bigint },
  ) => void;
  /** Makes sure that an account is listed. */
  readonly party: (role: Role, address: Address) => void;
  readonly total: (side: Side) => Tally;
  readonly addresses: () => Address[];
  /** Adds a transfer on the chain, of any kind. `change` is negative if it took from the account. */
  readonly flow: (address: Address, change: bigint) => void;
  readonly finish: (balances: Balances | undefined) => {
    readonly payees: readonly Party[];
    readonly payers: readonly Party[];
  };
};

type Role = "payee" | "payer";
type Tallies = Record<Side, { count: number; value: bigint }>;

/** Adds up settlements by payee and by payer. */
export function createLedger(): Ledger {
  const roles: Readonly<Record<Role, Map<Address, Tallies>>> = { payee: new Map(), payer: new Map() };
  const totals = noTallies();
  const flows = new Map<Address, bigint>();

  const tallyOf = (role: Role, given: Address): Tallies => {
    const address = getAddress(given);
    const known = roles[role].get(address);
    if (known !== undefined) return known;
    const made = noTallies();
    roles[role].set(address, made);
    return made;
  };

  return {
    add: (side, { from, to, value }) => {
      for (const tallies of [totals, tallyOf("payee", to), tallyOf("payer", from)]) {
        tallies[side].count += 1;
        tallies[side].value += value;
      }
    },
    party: (role, address) => {
      tallyOf(role, address);
    },
    total: (side) => ({ ...totals[side] }),
    addresses: () => [...new Set([...roles.payee.keys(), ...roles.payer.keys()])],
    flow: (given, change) => {
      const address = getAddress(given);
      flows.set(address, (flows.get(address) ?? 0n) + change);
    },
    finish: (balances) => {
      const partyOf = ([address, tallies]: [Address, Tallies]): Party => {
        const balance = balances?.get(address);
        return {
          address,
          ...tallies,
          balanceBefore: balance?.before,
          balanceAfter: balance?.after,
          drift: balance === undefined ? undefined : balance.after - balance.before - expectedChange(address),
        };
      };
      const listed = (role: Role): Party[] => {
        return [...roles[role]].map(partyOf).sort((a, b) => (a.address < b.address ? -1 : 1));
      };
      return { payees: listed("payee"), payers: listed("payer") };
    },
  };

  /** The sum of all transfers on the chain, with the journal's settlements in place of the chain's. */
  function expectedChange(address: Address): bigint {
    const received = roles.payee.get(address);
    const spent = roles.payer.get(address);
    return (flows.get(address) ?? 0n) + journalBeyondChain(received) - journalBeyondChain(spent);
  }
}

function journalBeyondChain(tallies: Tallies | undefined): bigint {
  return tallies === undefined ? 0n : tallies.onlyInJournal.value - tallies.onlyOnChain.value;
}

/** Tallies of zero, to add to. */
export function noTallies(): Tallies {
  const none = () => ({ count: 0, value: 0n });
  return { matched: none(), onlyInJournal: none(), onlyOnChain: none(), undecided: none() };
}

import type { Caller } from "../callers/caller.ts";

/** How many requests each caller has inside, and who has its share. All callers without a key together count as one merchant. */
export type Shares = {
  /** Whether a caller already has its share of `places`. False for a caller with nothing inside. */
  readonly hasShare: (caller: Caller, places: number) => boolean;
  /** Counts a request of a caller in. The function that it returns counts it out. */
  readonly enter: (caller: Caller) => () => void;
  /** Notes that a caller was refused, and so wants more than it has. */
  readonly refused: (caller: Caller) => void;
};

/** How long a caller who was refused counts as wanting more. */
const WANTS_MS = 2_000;
const NO_END = Number.POSITIVE_INFINITY;

type Party = { inside: number; wantsUntilMs: number };
type Parties = Map<string, Party>;

/**
 * Divides places by max-min: whoever wants less than an equal part gets all of it, and the others divide the rest equally.
 * Callers without a key count as one party; their addresses divide its part in the same way.
 */
export function createShares(now: () => number): Shares {
  const merchants: Parties = new Map();
  const addresses: Parties = new Map();

  const find = ({ merchant, address = "" }: Caller): Party | undefined =>
    merchant === undefined ? addresses.get(address) : merchants.get(merchant.id);

  function partyOf(caller: Caller): Party {
    const party = find(caller) ?? { inside: 0, wantsUntilMs: 0 };
    if (caller.merchant === undefined) addresses.set(caller.address ?? "", party);
    else merchants.set(caller.merchant.id, party);
    return party;
  }

  /** What each other party has, or without a limit if it wants more. A party that has and wants nothing is forgotten. */
  function demandsOf(all: Parties, except: Party): number[] {
    const nowMs = now();
    const demands: number[] = [];
    for (const [key, party] of all) {
      const wants = party.wantsUntilMs > nowMs ? NO_END : party.inside;
      if (wants === 0) all.delete(key);
      else if (party !== except) demands.push(wants);
    }
    return demands;
  }

  return {
    hasShare: (caller, places) => {
      const party = find(caller);
      if (party === undefined || party.inside === 0) return false;
      const rivals = demandsOf(merchants, party);
      const neighbours = demandsOf(addresses, party);
      const anonymous = neighbours.reduce((sum, one) => sum + one, 0);
      const part =
        caller.merchant === undefined
          ? fairPart(fairPart(places, rivals), neighbours)
          : fairPart(places, anonymous === 0 ? rivals : [...rivals, anonymous]);
      return party.inside >= part;
    },
    enter: (caller) => {
      const party = partyOf(caller);
      party.inside += 1;
      return () => {
        party.inside -= 1;
      };
    },
    refused: (caller) => {
      partyOf(caller).wantsUntilMs = now() + WANTS_MS;
    },
  };
}

/** The number of `places` that a party which wants them all gets by max-min, if `others` are the numbers that others want. */
export function fairPart(places: number, others: readonly number[]): number {
  const ascending = [...others].sort((a, b) => a - b);
  let left = places;
  for (const [i, demand] of ascending.entries()) {
    const part = left / (ascending.length - i + 1);
    if (demand >= part) return part;
    left -= demand;
  }
  return left;
}

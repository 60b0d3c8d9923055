import { type Address, getAddress } from "viem";
import { TributaryError } from "../../../errors.ts";

/**
 * A seller's money, in atomic units of the token, and the gas and the fee (in wei) that the journal's own transactions
 * took for it.
 */
export type EarningsAmounts = {
  /** Settled payments, and what channels were charged. All of it is unclaimed, unswept or paid out. */
  readonly earned: bigint;
  /** Accepted payments without an outcome yet. They are earned once they settle. */
  readonly onItsWay: bigint;
  /** Charged in channels and not claimed. */
  readonly unclaimed: bigint;
  /** Claimed and not swept. */
  readonly unswept: bigint;
  /** Settled payments and sweeps: what arrived at the payee. */
  readonly paidOut: bigint;
  readonly gas: bigint;
  readonly feeWei: bigint;
};

/** One day of one payee, and of one merchant if the payments are known to be a merchant's. */
export type EarningsRow = EarningsAmounts & {
  /** Such as 2026-11-30, in UTC. */
  readonly day: string;
  readonly payee: Address;
  readonly merchant: string | undefined;
};

/** Which part of the earnings to read. What is left out filters nothing. */
export type EarningsFilter = {
  /** The first day, included, in UTC: such as 2026-11-30. */
  readonly since?: string | undefined;
  /** The last day, included, in the same form. */
  readonly until?: string | undefined;
  /** Only these payees. */
  readonly payees?: readonly Address[] | undefined;
  /** Only these merchants, by id. */
  readonly merchants?: readonly string[] | undefined;
};

/** A filter that makes no sense. */
export class EarningsError extends TributaryError {
  override readonly name = "EarningsError";
}

const NOTHING: EarningsAmounts = {
  earned: 0n,
  onItsWay: 0n,
  unclaimed: 0n,
  unswept: 0n,
  paidOut: 0n,
  gas: 0n,
  feeWei: 0n,
};
const DAY_MS = 86_400_000;

export type EarningsBook = {
  /** @param day Days since 1970-01-01, in UTC. */
  readonly add: (day: number, payee: Address, merchant: string | undefined, amounts: Partial<EarningsAmounts>) => void;
  readonly rows: () => readonly EarningsRow[];
  readonly totals: () => EarningsAmounts;
};

/**
 * Adds up the amounts that pass the filter, by day, payee and merchant.
 * @throws EarningsError if a day of the filter is not a date, or the first is after the last.
 */
export function createEarningsBook({ since, until, payees, merchants }: EarningsFilter): EarningsBook {
  const first = since === undefined ? Number.NEGATIVE_INFINITY : dayNumber(since);
  const last = until === undefined ? Number.POSITIVE_INFINITY : dayNumber(until);
  if (first > last) {
    throw new EarningsError(`There are no days from ${since} to ${until}.`, { hint: "Give the earlier day first." });
  }
  const wanted = payees === undefined ? undefined : new Set(payees.map((one) => getAddress(one)));
  const found = new Map<string, EarningsRow>();
  return {
    add: (number, given, merchant, amounts) => {
      const payee = getAddress(given);
      if (number < first || number > last) return;
      if (wanted !== undefined && !wanted.has(payee)) return;
      if (merchants !== undefined && (merchant === undefined || !merchants.includes(merchant))) return;
      const day = new Date(number * DAY_MS).toISOString().slice(0, 10);
      const name = `${day} ${payee} ${merchant ?? ""}`;
      found.set(name, {
        ...(found.get(name) ?? { day, payee, merchant }),
        ...sumOf(found.get(name) ?? NOTHING, amounts),
      });
    },
    rows: () => [...found].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row),
    totals: () => [...found.values()].reduce<EarningsAmounts>((sum, row) => sumOf(sum, row), NOTHING),
  };
}

/** Days from 1970-01-01 to a date. @throws EarningsError if it is not a date. */
function dayNumber(text: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(text) ? Date.parse(`${text}T00:00:00Z`) : Number.NaN;
  if (!Number.isNaN(ms) && new Date(ms).toISOString().startsWith(text)) return ms / DAY_MS;
  throw new EarningsError(`${JSON.stringify(text)} is not a day.`, {
    hint: "Write it as 2026-11-30, in UTC.",
  });
}

function sumOf(a: EarningsAmounts, b: Partial<EarningsAmounts>): EarningsAmounts {
  return {
    earned: a.earned + (b.earned ?? 0n),
    onItsWay: a.onItsWay + (b.onItsWay ?? 0n),
    unclaimed: a.unclaimed + (b.unclaimed ?? 0n),
    unswept: a.unswept + (b.unswept ?? 0n),
    paidOut: a.paidOut + (b.paidOut ?? 0n),
    gas: a.gas + (b.gas ?? 0n),
    feeWei: a.feeWei + (b.feeWei ?? 0n),
  };
}

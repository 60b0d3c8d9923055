import type { PaymentOutcome, PaymentResult } from "../outcome/results.ts";
import type { MinedTransaction } from "./transactions.ts";

/** A report in figures. Values are in atomic units of the token, fees in wei. */
export type SettlementSummary = {
  readonly payments: number;
  readonly settledNow: Tally;
  readonly settledBefore: Tally;
  readonly settledElsewhere: Tally;
  /** By reason, most frequent first. */
  readonly rejected: readonly (Tally & { readonly reason: string })[];
  readonly deferred: Tally;
  readonly notAttempted: Tally;
  readonly pending: Tally;
  readonly transactions: number;
  readonly gasUsed: bigint;
  readonly feeWei: bigint;
  readonly dataFeeWei: bigint;
  /**
   * Gas of all transactions of this run, divided by the payments that it settled, rounded up; undefined if it settled
   * none.
   */
  readonly gasPerPayment: bigint | undefined;
};

/** A number of payments and the sum of their values, in atomic units. */
export type Tally = { readonly count: number; readonly value: bigint };

/** Adds up the report of {@link settlePayments}. Every payment is counted exactly once. */
export function summarise(report: {
  readonly results: readonly PaymentResult[];
  readonly transactions: readonly MinedTransaction[];
}): SettlementSummary {
  const { results, transactions } = report;
  const tallies = new Map<string, Tally>();
  const reasons = new Set<string>();
  for (const { outcome, authorization } of results) {
    const kind = kindOf(outcome);
    if (outcome.status === "rejected") reasons.add(outcome.reason);
    const { count, value } = tallies.get(kind) ?? NONE;
    tallies.set(kind, { count: count + 1, value: value + authorization.value });
  }
  const tally = (kind: string): Tally => tallies.get(kind) ?? NONE;
  const rejected = [...reasons].map((reason) => ({ reason, ...tally(`rejected ${reason}`) }));
  const settledNow = tally("settled now");
  const gasUsed = sum(transactions.map((transaction) => transaction.gasUsed));
  const count = BigInt(settledNow.count);
  return {
    payments: results.length,
    settledNow,
    settledBefore: tally("settled before"),
    settledElsewhere: tally("settled elsewhere"),
    rejected: rejected.sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason)),
    deferred: tally("deferred"),
    notAttempted: tally("not-attempted"),
    pending: tally("pending"),
    transactions: transactions.length,
    gasUsed,
    feeWei: sum(transactions.map((transaction) => transaction.feeWei)),
    dataFeeWei: sum(transactions.map((transaction) => transaction.dataFeeWei)),
    gasPerPayment: count === 0n ? undefined : (gasUsed + count - 1n) / count,
  };
}

const NONE: Tally = { count: 0, value: 0n };

function kindOf(outcome: PaymentOutcome): string {
  switch (outcome.status) {
    case "settled":
      return `settled ${outcome.when}`;
    case "rejected":
      return `rejected ${outcome.reason}`;
    default:
      return outcome.status;
  }
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

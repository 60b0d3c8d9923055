import type { MinedTransaction } from "./jobTransactions.ts";
import type { PaymentOutcome, PaymentResult } from "./outcome.ts";

/** A report in figures. Values in atomic units of the token, fees in wei. */
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
  /** Gas of all transactions of this run for each payment that it settled, rounded up; undefined if none was. */
  readonly gasPerPayment: bigint | undefined;
};

export type Tally = { readonly count: number; readonly value: bigint };

/** Adds up a job's results. Every payment is counted exactly once. */
export function summarise(
  results: readonly PaymentResult[],
  transactions: readonly MinedTransaction[],
): SettlementSummary {
  const tally = (test: (outcome: PaymentOutcome) => boolean): Tally => {
    const matching = results.filter(({ outcome }) => test(outcome));
    return { count: matching.length, value: sum(matching.map(({ authorization }) => authorization.value)) };
  };
  const settled = (when: string) => tally((outcome) => outcome.status === "settled" && outcome.when === when);
  const reasons = new Set(results.flatMap(({ outcome }) => (outcome.status === "rejected" ? [outcome.reason] : [])));
  const rejected = [...reasons].map((reason) => {
    return { reason, ...tally((outcome) => outcome.status === "rejected" && outcome.reason === reason) };
  });
  const settledNow = settled("now");
  const gasUsed = sum(transactions.map((transaction) => transaction.gasUsed));
  const count = BigInt(settledNow.count);
  return {
    payments: results.length,
    settledNow,
    settledBefore: settled("before"),
    settledElsewhere: settled("elsewhere"),
    rejected: rejected.sort((a, b) => b.count - a.count || a.reason.localeCompare(b.reason)),
    deferred: tally(({ status }) => status === "deferred"),
    notAttempted: tally(({ status }) => status === "not-attempted"),
    pending: tally(({ status }) => status === "pending"),
    transactions: transactions.length,
    gasUsed,
    feeWei: sum(transactions.map((transaction) => transaction.feeWei)),
    dataFeeWei: sum(transactions.map((transaction) => transaction.dataFeeWei)),
    gasPerPayment: count === 0n ? undefined : (gasUsed + count - 1n) / count,
  };
}

function sum(values: readonly bigint[]): bigint {
  return values.reduce((total, value) => total + value, 0n);
}

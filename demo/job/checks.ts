import type { Address } from "viem";
import type { PaymentResult, SettlementReport, SettlementSummary } from "../../src/settlement/index.ts";
import type { Check } from "../figures.ts";
import type { Measurement } from "../measure.ts";
import { type Cast, type DemoPayment, reasonOf } from "./cast.ts";

export type Balances = ReadonlyMap<string, bigint>;

export type Evidence = {
  readonly cast: Cast;
  readonly report: SettlementReport;
  readonly summary: SettlementSummary;
  readonly before: Balances;
  readonly after: Balances;
  readonly supply: { readonly before: bigint; readonly after: bigint };
  readonly routerBalance: bigint;
  readonly again: SettlementSummary;
  readonly oneByOne: Measurement;
  readonly multicall: Measurement;
};

/** Compares the settlement's report with what was signed and with what every account holds. */
export function check(evidence: Evidence): Check[] {
  const { cast, report, summary, before, after, supply, again } = evidence;
  const good = cast.payments.filter(({ flaw }) => flaw === undefined).length;
  const rejected = summary.rejected.reduce((total, { count }) => total + count, 0);
  const surprises = cast.payments.filter((payment, index) => !isExpected(payment, report.results[index]));
  const drift = driftOf(report.results, before, after);
  const moved = [...after].filter(([account, balance]) => balance !== before.get(account)).length;
  const shared = report.results.reduce((total, { outcome }) => {
    return total + (outcome.status === "settled" || outcome.status === "rejected" ? (outcome.gasShare ?? 0n) : 0n);
  }, 0n);
  const { oneByOne, multicall } = evidence;

  return [
    {
      name: "every payment has one outcome, and the counts add up",
      holds: summary.settledNow.count + rejected + summary.deferred.count === cast.payments.length,
      found: `${summary.settledNow.count} + ${rejected} + ${summary.deferred.count} = ${cast.payments.length}`,
    },
    {
      name: "every good payment settled, and every bad one has the right reason",
      holds: surprises.length === 0 && summary.settledNow.count === good,
      found: surprises.length === 0 ? "as expected, one by one" : `${surprises.length} came out otherwise`,
    },
    {
      name: "zero drift: every balance is what the settled payments make it",
      holds: drift.length === 0 && supply.before === supply.after,
      found:
        drift.length === 0
          ? `${after.size} accounts, ${moved} of them changed, to the last unit`
          : `${drift.length} accounts are off, such as ${drift[0]}`,
    },
    {
      name: "the router kept nothing",
      holds: evidence.routerBalance === 0n,
      found: `its balance is ${evidence.routerBalance}`,
    },
    {
      name: "the shares of gas sum up to the gas of the transactions",
      holds: shared === summary.gasUsed,
      found: `${shared} gas`,
    },
    {
      name: "the other ways settled the same payments",
      holds: oneByOne.settled === good && multicall.settled === good,
      found: `${oneByOne.settled} and ${multicall.settled}`,
    },
    {
      name: "a second run on the same file settles nothing twice",
      holds: again.settledNow.count === 0 && again.settledBefore.count === good && again.transactions === 0,
      found: `${again.settledNow.count} settled, ${again.settledBefore.count} found settled`,
    },
  ];
}

function isExpected({ authorization, flaw }: DemoPayment, result: PaymentResult | undefined): boolean {
  if (result === undefined || result.authorization.nonce !== authorization.nonce) return false;
  const { outcome } = result;
  if (flaw === undefined) return outcome.status === "settled" && outcome.when === "now";
  const reason = reasonOf[flaw];
  if (reason === undefined) return outcome.status === "deferred";
  if (outcome.status !== "rejected") return false;
  // Once a payer's code has burnt gas, the payer's other payments are not even tried.
  return outcome.reason === reason || (flaw === "gas-burner" && outcome.reason === "payer-held");
}

/** The accounts whose balance is not what it was, plus what they received, minus what they paid. */
function driftOf(results: readonly PaymentResult[], before: Balances, after: Balances): string[] {
  const expected = new Map(before);
  const add = (account: Address, value: bigint) => {
    const key = account.toLowerCase();
    expected.set(key, (expected.get(key) ?? 0n) + value);
  };
  for (const { authorization, outcome } of results) {
    if (outcome.status !== "settled") continue;
    add(authorization.from, -authorization.value);
    add(authorization.to, authorization.value);
  }
  return [...expected].filter(([account, balance]) => after.get(account) !== balance).map(([account]) => account);
}

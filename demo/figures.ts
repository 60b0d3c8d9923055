import { formatTable } from "../src/cli/output/output.ts";
import { usd } from "../src/cli/output/quoteText.ts";
import { paint, widthOf } from "../src/cli/output/terminal.ts";
import { currentRun } from "../src/cli/process/surroundings.ts";
import { priceBatch } from "../src/fees/index.ts";
import { formatAmount } from "../src/money.ts";
import type { Measurement } from "./measure.ts";

/** Something that must be true, and whether it is. */
export type Check = { readonly name: string; readonly holds: boolean; readonly found: string };

/** Lists the checks. */
export function formatChecks(checks: readonly Check[]): string[] {
  return [
    "Checks:",
    ...checks.map(({ name, holds, found }) => `  ${holds ? paint("good", "✓") : paint("bad", "✗")} ${name} (${found})`),
  ];
}

/** The last line of a demo. */
export function formatEnd(checks: readonly Check[], seconds: number): string {
  const failed = checks.filter(({ holds }) => !holds).length;
  const verdict = failed === 0 ? "Every figure adds up." : `${failed} of ${checks.length} checks failed.`;
  return `${verdict} ${seconds.toFixed(1)} s`;
}

/**
 * A table of the gas that each way of settling the same payments took. The others are compared with the last one.
 */
export function formatGas(ways: readonly (Measurement & { readonly name: string })[]): string[] {
  const last = ways.at(-1);
  const right = (title: string) => ({ title, align: "right" as const });
  const rows = ways.map((way) => {
    const less = last === undefined || last.gasUsed === 0n ? 0n : 1000n - (way.gasUsed * 1000n) / last.gasUsed;
    const each = gasPerPayment(way);
    return [
      way.name,
      thousands(way.transactions),
      thousands(way.gasUsed),
      each === undefined ? "–" : thousands(each),
      way === last ? "" : `${formatAmount(less, 1)} % less`,
    ];
  });
  const columns = [{ title: "" }, right("transactions"), right("gas"), right("gas per payment"), right("")];
  // The lines are shown indented.
  return formatTable(columns, rows, widthOf(currentRun().stdout, 2)).split("\n");
}

export function gasPerPayment({ gasUsed, settled }: Measurement): bigint | undefined {
  return settled === 0 ? undefined : gasUsed / BigInt(settled);
}

/** The price of gas and of ether on Base on a usual day. */
export const USUAL_GAS_PRICE_WEI = 5_000_000n;
export const USUAL_ETHER_MICRO_USD = 3_000_000_000n;

/** What payments of `each` atomic units of USDC cost on such a day; undefined if there are none. */
export function usualPrice({ gasUsed: gas, settled: payments }: Pick<Measurement, "gasUsed" | "settled">, each = 0n) {
  if (payments === 0) return undefined;
  return priceBatch({
    gas,
    gasPriceWei: USUAL_GAS_PRICE_WEI,
    l1FeeWei: 0n,
    payments,
    valueMicroUsd: each * BigInt(payments),
    etherMicroUsd: USUAL_ETHER_MICRO_USD,
  }).usd;
}

/** What one payment costs in each way. */
export function formatMoney(ours: Measurement, oneByOne: Measurement): string[] {
  const each = (way: Measurement) => usd(usualPrice(way)?.perPaymentNano ?? 0n);
  if (ours.settled === 0) return [];
  return [
    `At 0.005 gwei per gas and $3,000 per ether that is ${each(ours)} for a payment, and ${each(oneByOne)} one by one.`,
    "Payments worth less than that belong in a channel; tributary plan shows which ones.",
  ];
}

export function indented(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`.trimEnd());
}

export function thousands(value: number | bigint): string {
  return value.toLocaleString("en-US");
}

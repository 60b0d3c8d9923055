import { formatGwei } from "viem";
import type { BatchPrice } from "../../fees/index.ts";
import { formatAmount, formatEtherBriefly } from "../../money.ts";
import type { JobPayment, SettlementQuote } from "../../settlement/index.ts";
import { formatTable } from "./output.ts";
import { counted, NO_ROUTER } from "./summary.ts";

/** How many batches, and how many line numbers of a reason, are shown. All of them are in `--json`. */
const SHOWN_BATCHES = 20;
const SHOWN_LINES = 12;

type Quote = SettlementQuote<JobPayment & { readonly line: number }>;

/** A quote for people, line by line. Amounts are those of a token with six decimals, such as USDC. */
export function formatQuote(quote: Quote, isChainsPrice: boolean): string[] {
  const lines = [...batchTable(quote), ...totals(quote), ...warnings(quote), ...excluded(quote), ""];
  const gas = `${formatGwei(quote.gasPriceWei)} gwei per gas (${isChainsPrice ? "the chain's price now" : "--gas-price"})`;
  const data = quote.dataFeeInputs === undefined ? "no data fee on this chain" : "data fee of the OP stack included";
  lines.push(`prices: ${gas}, ${usd(quote.etherMicroUsd * 1000n)} per ether (--eth-usd), ${data}`);
  if (!quote.routerUsed) lines.push(NO_ROUTER);
  lines.push("nothing was sent");
  return lines;
}

function batchTable({ batches }: SettlementQuote): string[] {
  if (batches.length === 0) return ["nothing to send"];
  const right = (title: string) => ({ title, align: "right" as const });
  const spare = (title: string) => ({ ...right(title), isSpare: true as const });
  const columns = [
    right("payments"),
    spare("payers"),
    spare("payees"),
    right("USDC"),
    right("gas"),
    spare("gas limit"),
    right("fee ETH"),
    right("fee USD"),
    right("USD each"),
    right("of value"),
  ];
  const rows = batches
    .slice(0, SHOWN_BATCHES)
    .map((batch, index) => [
      String(index + 1),
      batch.kind === "router" ? "router" : "direct",
      String(batch.payments),
      String(batch.payers),
      String(batch.payees),
      formatAmount(batch.value, 6),
      String(batch.gas),
      String(batch.gasLimit),
      ...priceCells(batch.price),
    ]);
  const table = formatTable([right("#"), { title: "batch" }, ...columns], rows).split("\n");
  return batches.length > SHOWN_BATCHES ? [...table, `… and ${batches.length - SHOWN_BATCHES} more`] : table;
}

function totals({ total, oneByOne, payments, value }: SettlementQuote): string[] {
  if (total === undefined || oneByOne === undefined) return [];
  const row = (name: string, of: typeof total) => [
    name,
    String(of.transactions),
    String(of.gas),
    String(of.gas / BigInt(payments)),
    ...priceCells(of.price),
  ];
  const right = (title: string) => ({ title, align: "right" as const });
  const columns = ["transactions", "gas", "gas each", "fee ETH", "fee USD", "USD each", "of value"];
  const saved = oneByOne.price.totalWei - total.price.totalWei;
  const share = oneByOne.price.totalWei === 0n ? 0n : (saved * 1000n) / oneByOne.price.totalWei;
  return [
    "",
    ...formatTable(
      [{ title: `${counted(payments, "payment")}, ${formatAmount(value, 6)} USDC` }, ...columns.map(right)],
      [row("as planned", total), row("one by one", oneByOne)],
    ).split("\n"),
    ...(saved > 0n ? [`batches save ${formatAmount(share, 1)} % of what one transaction per payment would cost`] : []),
  ];
}

/** Warns about payments that cost more than they move, and says what would make them pay off. */
function warnings({ total, payments, value, belowCost }: SettlementQuote): string[] {
  const price = total?.price.usd;
  if (price === undefined || belowCost === 0) return [];
  const each = usd(price.perPaymentNano);
  const how =
    price.shareOfValuePpm === undefined || price.shareOfValuePpm > 1_000_000n
      ? `These payments cost more than they move: ${usd(price.totalNano)} to settle ${usd(value * 1000n)}.`
      : `${belowCost} of ${counted(payments, "payment")} ${belowCost === 1 ? "is" : "are"} worth less than the ${each} that settling one costs.`;
  return [
    "",
    `warning: ${how}`,
    "  No batch makes that cheap enough. A payment channel does (x402 batch-settlement): it claims thousands of",
    "  payments at the price of one. Otherwise collect larger payments, or leave out the smallest (settle --min-value).",
  ];
}

function excluded(quote: Quote): string[] {
  if (quote.excluded.length === 0) return [];
  const groups = new Map<string, { lines: number[]; message: string }>();
  for (const { line, outcome } of quote.excluded) {
    const [name, message] = describe(outcome);
    const group = groups.get(name) ?? { lines: [], message };
    group.lines.push(line);
    groups.set(name, group);
  }
  const rows = [...groups].sort(([, a], [, b]) => b.lines.length - a.lines.length);
  return [
    "",
    ...formatTable(
      [{ title: "not in any batch" }, { title: "payments", align: "right" }, { title: "lines" }, { title: "such as" }],
      rows.map(([name, { lines, message }]) => [name, String(lines.length), listed(lines), message]),
    ).split("\n"),
  ];
}

function describe(outcome: SettlementQuote["excluded"][number]["outcome"]): [name: string, message: string] {
  switch (outcome.status) {
    case "rejected":
      return [outcome.reason, outcome.message];
    case "settled":
      return ["settled already", `in transaction ${outcome.transactionHash}`];
    case "deferred":
      return ["not valid yet", `valid from ${new Date(Number(outcome.validFromSeconds) * 1000).toISOString()} on`];
    case "not-attempted":
      return ["undecided", outcome.message];
    case "pending":
      return ["pending", `in transaction ${outcome.transactionHash}`];
  }
}

function listed(lines: readonly number[]): string {
  const shown = lines.slice(0, SHOWN_LINES).join(", ");
  return lines.length > SHOWN_LINES ? `${shown}, …` : shown;
}

function priceCells({ totalWei, usd: dollars }: BatchPrice): string[] {
  if (dollars === undefined) return [formatEtherBriefly(totalWei, "up"), "", "", ""];
  return [
    formatEtherBriefly(totalWei, "up"),
    usd(dollars.totalNano),
    usd(dollars.perPaymentNano),
    percent(dollars.shareOfValuePpm),
  ];
}

/** Billionths of a dollar, in dollars with three significant digits, rounded up. */
export function usd(nano: bigint): string {
  if (nano >= 100_000_000_000n) return `$${formatAmount((nano + 9_999_999n) / 10_000_000n, 2)}`;
  const digits = nano.toString().length;
  const step = 10n ** BigInt(Math.max(0, digits - 3));
  return `$${formatAmount(((nano + step - 1n) / step) * step, 9)}`;
}

/** A share in millionths as a percentage, rounded up. */
export function percent(ppm: bigint | undefined): string {
  if (ppm === undefined) return "no value";
  return ppm >= 100_000n ? `${(ppm + 9_999n) / 10_000n} %` : `${formatAmount((ppm + 99n) / 100n, 2)} %`;
}

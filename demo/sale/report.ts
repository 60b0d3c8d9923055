import type { Address } from "viem";
import { formatTable } from "../../src/cli/output/output.ts";
import { widthOf } from "../../src/cli/output/terminal.ts";
import { currentRun } from "../../src/cli/process/surroundings.ts";
import type { LocalChain } from "../../src/local/index.ts";
import { formatAmount } from "../../src/money.ts";
import { type Check, formatChecks, formatEnd, formatGas, formatMoney, indented, thousands } from "../figures.ts";
import type { Measurement } from "../measure.ts";
import type { TraceStep } from "./trace.ts";

/** The number of buyers and of requests, and the price per call in atomic units of USDC. */
export type SaleSize = { readonly buyers: number; readonly requests: number; readonly price: bigint };

/** The result of a sale. Amounts in atomic units. */
export type SaleDemo = SaleSize & {
  readonly served: number;
  /** How many authorizations the token's logs prove. */
  readonly payments: number;
  /** What the payee received. */
  readonly paid: bigint;
  readonly tributary: Measurement;
  readonly oneByOne: Measurement;
  readonly gasPerPayment: { readonly tributary: bigint | undefined; readonly oneByOne: bigint | undefined };
  /**
   * The latency of a paid call as its buyer saw it, from the first request to the answer; undefined if there was none.
   */
  readonly latencyMs: { readonly p50: number | undefined; readonly p95: number | undefined };
  readonly saleSeconds: number;
  readonly checks: readonly Check[];
  readonly trace: readonly TraceStep[] | undefined;
};

/** Describes who takes part. */
export function describeSetting(
  setting: SaleSize & {
    readonly shop: string;
    readonly facilitator: string;
    readonly sender: Address;
    readonly chain: LocalChain;
  },
): string[] {
  const { buyers, requests, price, shop, facilitator, sender, chain } = setting;
  const roles = [
    ["client", `${thousands(buyers)} buyers with the official @x402/fetch, all at once`],
    ["resource server", `express with the official @x402/express at ${shop}`],
    ["facilitator", `Tributary at ${facilitator}, sends from ${sender}`],
    ["chain", `on ${chain.rpcUrl}, as Base Sepolia (id ${chain.chainId}), a block every 2 s`],
    ["", `USDC ${chain.usdc}, router ${chain.router}`],
  ];
  return [
    `Tributary demo: ${thousands(requests)} calls of an API, sold at $${formatAmount(price, 6)} each, all on this machine`,
    "",
    ...indented(
      formatTable([{ title: "role" }, { title: "played by" }], roles, widthOf(currentRun().stdout, 2)).split("\n"),
    ),
    "",
  ];
}

/** Tells one payment between the four roles, step by step. */
export function formatTrace(steps: readonly TraceStep[]): string[] {
  const lines = ["The first payment, step by step (headers decoded, signatures shortened):", ""];
  for (const { number, atMs, from, to, what, head, message } of steps) {
    const who = from === to ? from : `${from} → ${to}`;
    lines.push(`${String(number).padStart(3)}. ${who}: ${what} (+${atMs} ms)`);
    if (head !== undefined) lines.push(`       ${head}`);
    const width = Math.max(0, ...message.map(([field]) => field.length));
    for (const [field, value] of message) lines.push(`       ${field.padEnd(width)}  ${value}`.trimEnd());
    lines.push("");
  }
  return lines;
}

/** Tells what happened. */
export function formatSale(demo: SaleDemo, seconds: number): string[] {
  const { served, payments, tributary, oneByOne, latencyMs, checks } = demo;
  const each = tributary.transactions === 0 ? "" : `, ${(payments / tributary.transactions).toFixed(1)} payments each`;
  const figures = [
    ["requests served", `${thousands(served)} of ${thousands(demo.requests)} in ${demo.saleSeconds.toFixed(1)} s`],
    ["payments", `${thousands(payments)}, $${formatAmount(demo.paid, 6)} in total`],
    ["transactions", `${thousands(tributary.transactions)}${each}`],
    [
      "latency of a paid call",
      `p50 ${inSeconds(latencyMs.p50)}, p95 ${inSeconds(latencyMs.p95)}, with a block every 2 s`,
    ],
  ];
  return [
    ...formatTable([{ title: "" }, { title: "" }], figures)
      .split("\n")
      .slice(1),
    "",
    `Gas of the same ${thousands(payments)} payments, measured on this chain from the same state:`,
    "",
    ...indented(
      formatGas([
        { name: "Tributary", ...tributary },
        { name: "one by one", ...oneByOne },
      ]),
    ),
    "",
    ...indented(formatMoney(tributary, oneByOne)),
    "",
    ...formatChecks(checks),
    "",
    formatEnd(checks, seconds),
  ];
}

/** The lowest value that `share` percent of the sorted values do not exceed. */
export function percentile(sorted: readonly number[], share: number): number | undefined {
  return sorted[Math.max(0, Math.ceil((sorted.length * share) / 100) - 1)];
}

function inSeconds(ms: number | undefined): string {
  return ms === undefined ? "–" : `${(ms / 1000).toFixed(2)} s`;
}

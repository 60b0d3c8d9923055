import { formatAmount, formatEtherBriefly } from "../../money.ts";
import type { InspectedBatch, InspectedItem, Inspection } from "../../settlement/index.ts";
import { formatTable } from "../output/output.ts";
import { counted } from "../output/summary.ts";
import { paint } from "../output/terminal.ts";

/** How many items are shown without `--all`. */
export const ITEMS_SHOWN = 50;

/** The inspection of a transaction that settled something. */
export type Settlement = Extract<Inspection, { status: "settlement" }>;

/** What a transaction did, line by line, for people. */
export function describeSettlement(settlement: Settlement, all: boolean): string[] {
  const { gasUsed, settled, failed, notAttempted, feeWei, dataFeeWei } = settlement;
  const each = settled === 0 ? "" : ` (${(gasUsed + BigInt(settled) - 1n) / BigInt(settled)} per settled payment)`;
  const dataFee = dataFeeWei === 0n ? "" : `, of which ${formatEtherBriefly(dataFeeWei, "up")} for data`;
  const counts = [
    `${settled} settled`,
    `${failed} failed`,
    ...(notAttempted === 0 ? [] : [`${notAttempted} not reached`]),
  ];
  const lines = formatTable(
    [{ title: "transaction" }, { title: settlement.hash }],
    [
      ["block", String(settlement.blockNumber)],
      ["result", settlement.succeeded ? counts.join(", ") : "the whole transaction reverted; nothing moved"],
      ["sender", settlement.sender],
      ["gas used", `${gasUsed}${each}`],
      ["fee", `${formatEtherBriefly(feeWei, "up")} ETH${dataFee}`],
    ],
  ).split("\n");
  for (const batch of settlement.batches) lines.push("", ...describeBatch(batch, all));
  return lines;
}

function describeBatch(batch: InspectedBatch, all: boolean): string[] {
  const shown = all ? batch.items : batch.items.slice(0, ITEMS_SHOWN);
  const right = (title: string) => ({ title, align: "right" as const });
  const table = formatTable(
    [
      right("#"),
      { title: "payer" },
      { title: "payee" },
      right("USDC"),
      { title: "nonce" },
      right("gas"),
      { title: "outcome" },
    ],
    shown.map((item) => [
      String(item.index ?? "?"),
      item.from,
      item.to ?? "(not in the logs)",
      item.value === undefined ? "?" : formatAmount(item.value, 6),
      `${item.nonce.slice(0, 10)}…`,
      String(item.gasShare ?? "–"),
      outcomeOf(item),
    ]),
  );
  const more = batch.items.length - shown.length;
  return [heading(batch), ...table.split("\n"), ...(more > 0 ? [`… and ${more} more (--all shows them)`] : [])];
}

function heading({ via, token, router, batchId, caller, items }: InspectedBatch): string {
  const payments = counted(items.length, "payment");
  const of = token === undefined ? "" : ` of token ${token}`;
  switch (via) {
    case "router":
      return `${payments}${of} through the router ${router}, batch ${batchId}`;
    case "router-logs":
      return `${payments}${of} through the router ${router}, batch ${batchId}, called by the contract ${caller} (read from logs alone)`;
    case "direct":
      return `${payments}${of}, sent to the token directly`;
    case "token-logs":
      return `${payments}${of} through the contract ${caller}, without the router (read from logs alone)`;
  }
}

function outcomeOf({ outcome }: InspectedItem): string {
  switch (outcome.status) {
    case "settled":
      return `${paint("good", "settled")}, log ${outcome.logIndex}`;
    case "failed":
      return `${paint("bad", outcome.refusal.reason)}: ${outcome.refusal.message}`;
    case "not-attempted":
      return paint("open", "not reached");
    case "unproven":
      return paint("bad", "no proof that it moved");
  }
}

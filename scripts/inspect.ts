import { Command, InvalidArgumentError } from "commander";
import { type Address, formatEther, type Hex, isHex } from "viem";
import { formatAmount } from "../src/money.ts";
import {
  type InspectedBatch,
  type InspectedItem,
  type Inspection,
  inspectSettlement,
} from "../src/settlement/index.ts";
import { connect, rpcTimeoutOption } from "./cli/connect.ts";
import { CommandError, UsageError } from "./cli/errors.ts";
import { EXIT } from "./cli/exitCodes.ts";
import { address, jsonOption, rpcUrlOption } from "./cli/options.ts";
import { formatTable, printJson, printLine } from "./cli/output.ts";
import { examples } from "./cli/program.ts";
import { counted } from "./cli/summary.ts";

type Options = {
  readonly rpcUrl: string;
  readonly rpcTimeout: number;
  readonly router?: Address;
  readonly all?: true;
  readonly json?: true;
};

/** Items that are shown without `--all`. */
const SHOWN = 50;

/** `tributary inspect`: what a settlement transaction did. */
export function inspectCommand(): Command {
  return new Command("inspect")
    .description(
      "Show what a settlement transaction carried and what became of each payment, from its calldata and its own logs.",
    )
    .argument("<hash>", "hash of the transaction", transactionHash)
    .addOption(rpcUrlOption())
    .addOption(rpcTimeoutOption())
    .option("--router <address>", "another router than the one at its usual address", address)
    .option("--all", `show every payment, not only the first ${SHOWN}`)
    .addOption(jsonOption())
    .addHelpText("after", examples("inspect 0x5f3c…9a1e", "inspect 0x5f3c…9a1e --json"))
    .action(runInspect);
}

async function runInspect(hash: Hex, options: Options): Promise<void> {
  const client = await connect(options);
  const inspection = await inspectSettlement(
    client,
    hash,
    options.router === undefined ? {} : { router: options.router },
  );
  if (options.json === true) printJson(inspection);
  if (inspection.status !== "settlement") throw explain(hash, inspection, client.chain.name);
  if (options.json !== true) for (const line of describe(inspection, options.all === true)) printLine(line);
}

type Settlement = Extract<Inspection, { status: "settlement" }>;

function explain(hash: Hex, inspection: Exclude<Inspection, Settlement>, chain: string): CommandError {
  switch (inspection.status) {
    case "unknown":
      return new UsageError(`The node knows no transaction ${hash}.`, {
        hint: `It is on ${chain}: check the hash, and that --rpc-url is a node of the transaction's chain.`,
      });
    case "pending":
      return new CommandError(`The transaction ${hash} is not mined yet.`, EXIT.unknown, {
        details: `It waits as txNonce ${inspection.txNonce} of ${inspection.from}.`,
        hint: "Run the command again in a few seconds.",
      });
    case "no-settlement": {
      const to = inspection.to === undefined ? "It created a contract." : `It called ${inspection.to}.`;
      return new UsageError(`The transaction ${hash} settled no authorization.`, {
        details: inspection.succeeded ? to : `${to} It reverted.`,
        hint: "If it went through another router than the usual one, name that with --router.",
      });
    }
  }
}

function describe(settlement: Settlement, all: boolean): string[] {
  const { gasUsed, settled, failed, notAttempted, feeWei, dataFeeWei } = settlement;
  const each = settled === 0 ? "" : ` (${(gasUsed + BigInt(settled) - 1n) / BigInt(settled)} per settled payment)`;
  const dataFee = dataFeeWei === 0n ? "" : `, of which ${formatEther(dataFeeWei)} for data`;
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
      ["fee", `${formatEther(feeWei)} ETH${dataFee}`],
    ],
  ).split("\n");
  for (const batch of settlement.batches) lines.push("", ...describeBatch(batch, all));
  return lines;
}

function describeBatch(batch: InspectedBatch, all: boolean): string[] {
  const shown = all ? batch.items : batch.items.slice(0, SHOWN);
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
      return `settled, log ${outcome.logIndex}`;
    case "failed":
      return `${outcome.refusal.reason}: ${outcome.refusal.message}`;
    case "not-attempted":
      return "not reached";
    case "unproven":
      return "no proof that it moved";
  }
}

function transactionHash(text: string): Hex {
  const hash = text.toLowerCase();
  if (isHex(hash) && hash.length === 66) return hash;
  throw new InvalidArgumentError("Write a transaction hash: 0x and 64 hex digits.");
}

import { Command } from "commander";
import type { Address, Hex } from "viem";
import type { ChannelRow, Journal } from "../../journal/index.ts";
import { everyChannel } from "../../journal/pages.ts";
import { unclaimedOf } from "../../keeper/channels/rows.ts";
import { readWaiting } from "../../keeper/due/waiting.ts";
import { formatAmount } from "../../money.ts";
import { type Network, networks } from "../../networks.ts";
import { journalOption, withJournal } from "../connect/journal.ts";
import { UsageError } from "../exit/errors.ts";
import { openLines } from "../input/lineFile.ts";
import { examples } from "../options/examples.ts";
import { address, jsonOption, network } from "../options/options.ts";
import { formatTable, notice, printJson, printLine, toJson } from "../output/output.ts";
import { time } from "../output/paymentText.ts";
import { channelId, channelJson, stateOf } from "./text.ts";

type Options = { readonly journal?: string; readonly network: Network; readonly json?: true };
type ListOptions = Options & { readonly receiver?: Address; readonly unclaimed?: true };
type ExportOptions = Options & { readonly out?: string; readonly force?: true; readonly all?: true };

function withReadOptions(command: Command): Command {
  return command
    .addOption(journalOption())
    .option("--network <name>", "channels of this network", network, networks.baseSepolia)
    .addOption(jsonOption());
}

/** `channels list`: every channel of the journal. */
export function listCommand(): Command {
  return withReadOptions(new Command("list"))
    .description("List the channels of the journal: what is charged, claimed and unclaimed, and their state.")
    .option("--receiver <address>", "only channels of this receiver", address)
    .option("--unclaimed", "only channels with something to claim")
    .addHelpText("after", examples("channels list", "channels list --unclaimed --json"))
    .action(runList);
}

async function runList({ receiver, unclaimed, ...options }: ListOptions): Promise<void> {
  await withJournal(options, async (journal) => {
    const nowMs = Date.now();
    const rows: ChannelRow[] = [];
    for await (const page of everyChannel(
      journal,
      options.network.chainId,
      unclaimed === true ? "unclaimed" : undefined,
    )) {
      rows.push(
        ...page.filter(
          ({ record: { channelConfig } }) => receiver === undefined || isSame(channelConfig.receiver, receiver),
        ),
      );
    }
    const receivers = await journal.channelReceivers(options.network.chainId);
    const said = await readWaiting(journal, options.network.chainId);
    if (options.json === true) {
      const waiting = said === undefined ? null : { at: time(said.atMs), waiting: said.waiting };
      const channels = rows.map((row) => channelJson(row, nowMs));
      printJson({ channels, receivers: receivers.map(receiverJson), keeper: waiting });
      return;
    }
    if (rows.length === 0) printLine("no channels");
    else printLine(table(rows, nowMs));
    const waiting = receivers.filter(({ unswept }) => unswept > 0n);
    for (const one of waiting) printLine(`claimed and not swept to ${one.receiver}: ${formatAmount(one.unswept, 6)}`);
    if (said === undefined || said.waiting.length === 0) return;
    printLine(`the keeper said at ${time(said.atMs)}:`);
    for (const { message } of said.waiting) printLine(`  ${message}`);
  });
}

function table(rows: readonly ChannelRow[], nowMs: number): string {
  const right = (title: string) => ({ title, align: "right" as const });
  const usdc = (text: string | bigint) => formatAmount(BigInt(text), 6);
  return formatTable(
    [
      { title: "channel" },
      { title: "payer" },
      right("balance"),
      right("charged"),
      right("claimed"),
      right("unclaimed"),
      { title: "state" },
    ],
    rows.map((row) => [
      row.channelId,
      row.record.channelConfig.payer,
      usdc(row.record.balance),
      usdc(row.record.chargedCumulativeAmount),
      usdc(row.claimed),
      usdc(unclaimedOf(row)),
      stateOf(row, nowMs),
    ]),
  );
}

/** `channels show`: one channel. */
export function showCommand(): Command {
  return withReadOptions(new Command("show"))
    .description("Show a channel: its terms, its newest voucher, and what the chain says about it.")
    .argument("<id>", "the channel's id", channelId)
    .addHelpText("after", examples(`channels show 0x${"12".repeat(32)}`))
    .action(runShow);
}

async function runShow(id: Hex, options: Options): Promise<void> {
  await withJournal(options, async (journal) => {
    const row = await rowOf(journal, id);
    const json = channelJson(row, Date.now());
    if (options.json === true) printJson(json);
    else {
      const lines = Object.entries(json).map(([name, value]) => [
        name,
        typeof value === "object" && value !== null ? toJson(value) : String(value ?? "–"),
      ]);
      printLine(formatTable([{ title: "channel" }, { title: "" }], lines));
    }
  });
}

async function rowOf(journal: Journal, id: Hex): Promise<ChannelRow> {
  const row = (await journal.channels([id])).get(id);
  if (row !== undefined) return row;
  throw new UsageError(`The journal has no channel ${id}.`, { hint: "tributary channels list names them." });
}

/** `channels export`: the vouchers themselves. */
export function exportCommand(): Command {
  return withReadOptions(new Command("export"))
    .description(
      "Write the newest voucher of each channel that has something to claim, one row of a claim per line, as the contract and " +
        "the official packages accept it. Whoever has the receiver authorizer's key can claim from this file alone.",
    )
    .option("--all", "include channels with nothing to claim")
    .option("--out <file>", "file to write (default: stdout)")
    .option("--force", "replace the file")
    .addHelpText("after", examples("channels export --out vouchers.jsonl"))
    .action(runExport);
}

async function runExport(options: ExportOptions): Promise<void> {
  await withJournal(options, async (journal) => {
    const sink = await openLines(options.out, options.force === true);
    let count = 0;
    try {
      const only = options.all === true ? undefined : "unclaimed";
      for await (const page of everyChannel(journal, options.network.chainId, only)) {
        for (const { channelId: id, record } of page) {
          const { channelConfig: channel, signedMaxClaimable: maxClaimableAmount, signature } = record;
          const voucher = { channel, maxClaimableAmount };
          await sink.write(toJson({ channelId: id, voucher, signature, totalClaimed: record.chargedCumulativeAmount }));
          count += 1;
          if (sink.isClosed()) return;
        }
      }
      await sink.finish();
      notice(`${count} vouchers`);
    } catch (error) {
      await sink.discard();
      throw error;
    }
  });
}

function receiverJson(one: Awaited<ReturnType<Journal["channelReceivers"]>>[number]) {
  const { receiver, token, unswept } = one;
  return { receiver, token, unswept };
}

function isSame(a: string, b: string): boolean {
  return a.toLowerCase() === b.toLowerCase();
}

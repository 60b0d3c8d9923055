import { Command } from "commander";
import type { Address, Hex } from "viem";
import { formatAmount } from "../../money.ts";
import { examples } from "../options/examples.ts";
import { addresses, usdcAmount } from "../options/options.ts";
import { printJson, printLine } from "../output/output.ts";
import { EXIT } from "../process/exitCodes.ts";
import { currentRun } from "../process/surroundings.ts";
import { carryOut } from "./byHand.ts";
import { type KeeperCommandOptions, withKeeperOptions } from "./open.ts";
import { channelId, channelIds } from "./text.ts";

const BESIDE =
  "If a keeper runs on the journal, it does this with its keys; with another purse, this command does it itself.";

/** `channels claim`: claims now, whatever it costs. */
export function claimCommand(): Command {
  return withKeeperOptions(new Command("claim"))
    .description(`Claim channels now (all of them if none is named) in as few transactions as possible. ${BESIDE}`)
    .argument("[ids...]", "channels' ids", channelIds)
    .addHelpText("after", examples("channels claim", "channels claim --authorizer authorizer.json"))
    .action(runClaim);
}

async function runClaim(ids: readonly Hex[], options: KeeperCommandOptions): Promise<void> {
  const report = await carryOut(options, { kind: "claim", ...(ids.length === 0 ? {} : { channelIds: ids }) });
  const { claimed, bad, withoutKey, failed } = report;
  if (options.json === true) printJson(report);
  else {
    for (const one of claimed) {
      printLine(`${one.channelId}: claimed up to ${formatAmount(one.totalClaimed, 6)} in ${one.transaction}`);
    }
    for (const one of bad) printLine(`${one.channelId}: ${one.reason}`);
    for (const id of withoutKey) printLine(`${id}: no key for it here, see --authorizer`);
    for (const id of failed) printLine(`${id}: not claimed; run the command again`);
    if (claimed.length + bad.length + withoutKey.length + failed.length === 0) printLine("nothing to claim");
  }
  if (failed.length > 0) currentRun().exitCode = EXIT.unknown;
  else if (bad.length + withoutKey.length > 0) currentRun().exitCode = EXIT.unsettled;
}

/** `channels sweep`: sends receivers what was claimed for them. */
export function sweepCommand(): Command {
  return withKeeperOptions(new Command("sweep"))
    .description(
      `Send receivers what was claimed for them (all receivers if none is named). Their keys are not needed. ${BESIDE}`,
    )
    .option("--receiver <address>", "this receiver; may be repeated", addresses)
    .addHelpText("after", examples("channels sweep"))
    .action(runSweep);
}

async function runSweep(options: KeeperCommandOptions & { readonly receiver?: readonly Address[] }): Promise<void> {
  const report = await carryOut(options, { kind: "sweep", receivers: options.receiver });
  if (options.json === true) printJson(report);
  else {
    for (const { receiver, amount, transaction } of report.swept) {
      printLine(`${receiver}: ${formatAmount(amount, 6)} in ${transaction}`);
    }
    for (const { receiver } of report.failed) printLine(`${receiver}: not swept; run the command again`);
    if (report.swept.length + report.failed.length === 0) printLine("nothing to sweep");
  }
  if (report.failed.length > 0) currentRun().exitCode = EXIT.unknown;
}

/** `channels refund`: gives a payer back what was not charged. */
export function refundCommand(): Command {
  return withKeeperOptions(new Command("refund"))
    .description(`Claim a channel and give the payer back the rest of it, in one transaction. ${BESIDE}`)
    .argument("<id>", "the channel's id", channelId)
    .option("--amount <usdc>", "how much to give back (default: all of the rest)", usdcAmount)
    .addHelpText("after", examples(`channels refund 0x${"12".repeat(32)} --authorizer authorizer.json`))
    .action(runRefund);
}

async function runRefund(id: Hex, options: KeeperCommandOptions & { readonly amount?: bigint }): Promise<void> {
  const result = await carryOut(options, { kind: "refund", channelId: id, amount: options.amount });
  if (options.json === true) printJson(result);
  else printLine(`${formatAmount(result.amount, 6)} went back in ${result.transaction}`);
}

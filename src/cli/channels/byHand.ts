import type { LocalAccount } from "viem";
import { systemClock } from "../../clock.ts";
import type { Journal } from "../../journal/index.ts";
import { ChannelError, type ChannelKeeper } from "../../keeper/index.ts";
import { askKeeper, findKeepers, type KeeperAnswer, type KeeperTask } from "../../keeper/requests.ts";
import { connect } from "../connect/connect.ts";
import { openEngineJournal } from "../connect/journal.ts";
import { CommandError, explained, UsageError } from "../exit/errors.ts";
import { namedSigner } from "../options/signer.ts";
import { notice } from "../output/output.ts";
import { EXIT } from "../process/exitCodes.ts";
import { listenForStop } from "../process/stopSignals.ts";
import { type KeeperCommandOptions, openKeeper } from "./open.ts";

type Report<Kind extends KeeperTask["kind"]> = Extract<KeeperAnswer, { readonly kind: Kind }>["report"];

/**
 * Claims, sweeps or refunds for an operator. Only one process at a time sends from the purse's key. If a keeper has the
 * key, the journal passes the task to it. With another purse, or without a keeper, this process does the task.
 */
export async function carryOut<Task extends KeeperTask>(
  options: KeeperCommandOptions,
  task: Task,
): Promise<Report<Task["kind"]>> {
  let purse: LocalAccount | undefined;
  const client = await connect(options);
  const journal = await openEngineJournal(options, client);
  try {
    const keepers = await findKeepers(journal, client.chain.id);
    if (keepers.length > 0) purse = await namedSigner(options.keystore);
    const named = purse?.address.toLowerCase();
    const keeper = keepers.find(({ senders }) => {
      return named === undefined || senders.some((sender) => sender.toLowerCase() === named);
    });
    if (keeper !== undefined) {
      const { pid, host } = keeper.place;
      notice(`notice: asking the keeper, process ${pid} on ${host}, which has the key ${keeper.senders.join(", ")}`);
      const answer = await asked(journal, client.chain.id, task);
      if (answer !== undefined) return reportIn(answer, task);
      notice("notice: it does not answer, so this command does it itself");
    }
  } finally {
    await journal.close();
  }

  const { keeper, close } = await openKeeper(options, { isWatching: false, purse });
  try {
    return (await asUsage<KeeperReport>(perform(keeper, task))) as Report<Task["kind"]>;
  } finally {
    await close();
  }
}

/** Asks a keeper through the journal. If interrupted, it withdraws the task unless a keeper has taken it. */
async function asked(journal: Journal, chainId: number, task: KeeperTask): Promise<KeeperAnswer | undefined> {
  const { signal, forget } = listenForStop();
  try {
    const answer = await asUsage(askKeeper({ journal, chainId, clock: systemClock, signal }, task));
    if (answer === undefined && signal.aborted) {
      throw new CommandError("Stopped before the keeper took the request; nothing was done.", EXIT.unknown);
    }
    return answer;
  } finally {
    forget();
  }
}

type KeeperReport = Report<KeeperTask["kind"]>;

function perform(keeper: ChannelKeeper, task: KeeperTask): Promise<KeeperReport> {
  if (task.kind === "claim") return keeper.claim(task.channelIds);
  return task.kind === "sweep" ? keeper.sweep(task.receivers) : keeper.refund(task.channelId, task.amount);
}

function reportIn<Task extends KeeperTask>(answer: KeeperAnswer, task: Task): Report<Task["kind"]> {
  if (answer.kind === task.kind && "report" in answer) return answer.report as Report<Task["kind"]>;
  if (answer.kind === "unanswered") {
    throw new CommandError("The keeper took the request but did not report the outcome.", EXIT.unknown, {
      hint: "Check tributary channels list, then run the command again: nothing is claimed twice.",
    });
  }
  if (answer.kind !== "error") throw new Error(`a ${answer.kind} was answered to a ${task.kind}`);
  const { message, hint, isRefused } = answer;
  if (!isRefused) throw new CommandError(`The keeper could not do it: ${message}`, EXIT.failure);
  throw new UsageError(message, explained(new ChannelError(message, hint === undefined ? {} : { hint })));
}

async function asUsage<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof ChannelError)) throw error;
    throw new UsageError(error.shortMessage, explained(error));
  }
}

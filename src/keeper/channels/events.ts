import { getAddress, type Hex } from "viem";
import { ask } from "../../chain/ask.ts";
import type { ChainClient } from "../../chain/client.ts";
import { type ChannelLog, decodeChannelLogs, readTimestamps } from "../../chain/logs/channelLogs.ts";
import type { BlockRange } from "../../chain/logs/tokenLogs.ts";
import type { ChannelEvent } from "../../journal/index.ts";
import type { ChannelJournal } from "../../journal/ports/channels.ts";
import type { LedgerJournal } from "../../journal/ports/ledger.ts";

type EventPort = { readonly journal: ChannelJournal & LedgerJournal; readonly client: ChainClient };

/**
 * Notes in the journal what a transaction did with the money of its channels and receivers.
 * @returns All of it, including what others did in the same transaction.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function noteTransaction(port: EventPort, hash: Hex): Promise<readonly ChannelEvent[]> {
  const { logs } = await ask("a receipt", port.client.getTransactionReceipt({ hash }));
  const events = await ownEvents(port, decodeChannelLogs(logs));
  await port.journal.noteChannelEvents(events);
  return events;
}

/**
 * Notes what the logs of a block range say. This replaces what was noted about those blocks before: a reorganisation
 * may have replaced some of them.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function noteRange(port: EventPort, range: BlockRange, logs: readonly ChannelLog[]): Promise<void> {
  const events = await ownEvents(port, logs);
  await port.journal.noteChannelEvents(events, { chainId: port.client.chain.id, ...range, logs });
}

/**
 * The events of channels and receivers that the journal knows. A channel that the server gave up is still known from
 * its daily earnings.
 */
async function ownEvents(
  { journal, client }: EventPort,
  logs: readonly ChannelLog[],
): Promise<readonly ChannelEvent[]> {
  const chainId = client.chain.id;
  const ids = logs.flatMap((log) => ("channelId" in log ? [log.channelId] : []));
  const parties = await journal.channelParties([...new Set(ids)]);
  const isSwept = logs.some(({ kind }) => kind === "sweep");
  const receivers = new Set(isSwept ? (await journal.channelReceivers(chainId)).map(accountName) : []);
  const found = logs.flatMap((log): Omit<ChannelEvent, "timestampSeconds">[] => {
    const { kind, amount, transactionHash, logIndex, blockNumber } = log;
    const place = { chainId, amount, transactionHash, logIndex, blockNumber };
    if (kind === "announcement") return [];
    if (kind === "sweep") {
      const { receiver, token } = log;
      if (!receivers.has(accountName(log))) return [];
      return [{ kind, channelId: undefined, payer: undefined, receiver, token, ...place }];
    }
    const known = parties.get(log.channelId);
    if (known === undefined) return [];
    const [payer, receiver, token] = [known.payer, known.receiver, known.token].map((one) => getAddress(one));
    return [{ kind, channelId: log.channelId, payer, receiver: receiver!, token: token!, ...place }];
  });
  const times = await readTimestamps(
    client,
    found.map(({ blockNumber }) => blockNumber),
  );
  return found.map((event) => ({ ...event, timestampSeconds: times.get(event.blockNumber) ?? 0 }));
}

function accountName({ receiver, token }: { readonly receiver: string; readonly token: string }): string {
  return `${receiver} ${token}`.toLowerCase();
}

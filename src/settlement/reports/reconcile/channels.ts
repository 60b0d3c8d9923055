import { type Address, type Hex, isAddressEqual } from "viem";
import type { ChainClient } from "../../../chain/client.ts";
import { readChannels, readReceivers, readUnswept } from "../../../chain/facts/channels.ts";
import { type ChannelLog, readChannelLogs } from "../../../chain/logs/channelLogs.ts";
import { type BlockRange, inPieces } from "../../../chain/logs/tokenLogs.ts";
import { everyChannel, everyRow } from "../../../journal/pages.ts";
import type { ChannelJournal } from "../../../journal/ports/channels.ts";
import type { ChannelEvent, ChannelParties, LedgerJournal } from "../../../journal/ports/ledger.ts";
import type { NoteJournal } from "../../../journal/ports/notes.ts";
import type { Tally } from "../../job/summary.ts";
import { chargedOf } from "../earnings/channels.ts";
import { channelCursor } from "../earnings/cursor.ts";
import { noTallies, type Side } from "./ledger.ts";

/** An event of the channel contract that only one side knows, or that the journal has not read yet. */
export type ChannelDifference = Pick<ChannelEvent, "kind" | "channelId" | "receiver" | "amount"> & {
  readonly side: Exclude<Side, "matched">;
  readonly blockNumber: bigint;
  readonly transactionHash: Hex;
};

/** A receiver's channels. Amounts in atomic units. */
export type ReceiverState = {
  readonly receiver: Address;
  /** Charged by the journal and not claimed on the chain, now. */
  readonly unclaimed: bigint;
  /** Claimed and not swept on the chain, now. */
  readonly unswept: bigint;
  /**
   * Claimed in the range on the chain through channels that the journal does not know. Zero if all is well; undefined
   * if the node does not have the state of both ends of the range.
   */
  readonly unknownClaims: bigint | undefined;
};

/** The journal's channels compared with the chain's. */
export type ChannelReconciliation = {
  readonly claims: Readonly<Record<Side, Tally>>;
  readonly sweeps: Readonly<Record<Side, Tally>>;
  /** Refunds and withdrawals. */
  readonly givenBack: Readonly<Record<Side, Tally>>;
  readonly receivers: readonly ReceiverState[];
  /** The sum over all receivers, as is `unswept`. */
  readonly unclaimed: bigint;
  readonly unswept: bigint;
  /** The first differences; the tallies count all. */
  readonly differences: readonly ChannelDifference[];
  /** How many events and receivers do not agree. It must be zero. */
  readonly drift: number;
};

type Query = BlockRange & {
  readonly token: Address;
  readonly payees: readonly Address[] | undefined;
  readonly mostDifferences: number;
};

const GROUPS = { claim: "claims", sweep: "sweeps", refund: "givenBack", withdrawal: "givenBack" } as const;

/**
 * Compares the claims, sweeps, refunds and withdrawals that the journal noted in a block range with the contract's
 * logs, and the receivers' claimed totals with those logs. Undefined if the journal has no channels in the token.
 * @throws ChainUnavailableError if the node does not answer.
 */
export async function reconcileChannels(
  client: ChainClient,
  journal: ChannelJournal & LedgerJournal & NoteJournal,
  query: Query,
): Promise<ChannelReconciliation | undefined> {
  const { token, from, to, mostDifferences } = query;
  const chainId = client.chain.id;
  const isWanted = (receiver: Address) =>
    query.payees === undefined || query.payees.some((payee) => isAddressEqual(payee, receiver));
  const receivers = (await journal.channelReceivers(chainId)).filter((one) => {
    return isAddressEqual(one.token, token) && isWanted(one.receiver);
  });
  if (receivers.length === 0) return undefined;
  const isOwn = (one: { readonly receiver: Address; readonly token: Address }) =>
    isAddressEqual(one.token, token) && receivers.some(({ receiver }) => isAddressEqual(receiver, one.receiver));

  const cursor = await journal.cursor(channelCursor(chainId));
  const noted = new Map<string, ChannelEvent>();
  for await (const page of everyRow((rows) => journal.channelEvents({ chainId, ...rows }))) {
    for (const event of page) {
      const isInside = event.blockNumber >= from && event.blockNumber <= to;
      if (isInside && isOwn(event)) noted.set(nameOf(event), event);
    }
  }
  const tallies = { claims: noTallies(), sweeps: noTallies(), givenBack: noTallies() };
  const differences: ChannelDifference[] = [];
  const claimedOnChain = new Map<Address, bigint>();
  const add = (side: Side, event: Omit<ChannelEvent, "timestampSeconds" | "payer" | "chainId" | "token">): void => {
    const { kind, channelId, receiver, amount, blockNumber, transactionHash } = event;
    const tally = tallies[GROUPS[kind]][side];
    tally.count += 1;
    tally.value += amount;
    if (side === "matched" || differences.length >= mostDifferences) return;
    differences.push({ side, kind, channelId, receiver, amount, blockNumber, transactionHash });
  };

  await inPieces({ from, to }, async (piece) => {
    const logs = await readChannelLogs(client, piece);
    const ids = logs.flatMap((log) => ("channelId" in log ? [log.channelId] : []));
    const parties = await journal.channelParties([...new Set(ids)]);
    for (const log of logs) {
      const event = eventOf(log, parties);
      if (event === undefined || !isOwn(event)) continue;
      if (event.kind === "claim") {
        const account = receivers.find(({ receiver }) => isAddressEqual(receiver, event.receiver))?.receiver;
        if (account !== undefined) claimedOnChain.set(account, (claimedOnChain.get(account) ?? 0n) + event.amount);
      }
      const known = noted.get(nameOf(event));
      const isKnown = known?.amount === event.amount && known.kind === event.kind;
      if (isKnown) noted.delete(nameOf(event));
      const isAhead = cursor !== undefined && event.blockNumber > BigInt(cursor);
      add(isKnown ? "matched" : isAhead ? "undecided" : "onlyOnChain", event);
    }
    return logs.length;
  });
  for (const event of noted.values()) add("onlyInJournal", event);

  const states = await readStates();
  const unknown = states.filter(({ unknownClaims }) => unknownClaims !== undefined && unknownClaims !== 0n).length;
  const all = Object.values(tallies);
  return {
    ...tallies,
    receivers: states,
    unclaimed: states.reduce((sum, one) => sum + one.unclaimed, 0n),
    unswept: states.reduce((sum, one) => sum + one.unswept, 0n),
    differences,
    drift: all.reduce((sum, { onlyInJournal, onlyOnChain }) => sum + onlyInJournal.count + onlyOnChain.count, unknown),
  };

  async function readStates(): Promise<readonly ReceiverState[]> {
    const unclaimed = new Map<string, bigint>();
    for await (const page of everyChannel(journal, chainId)) {
      const own = page.filter(({ record: { channelConfig: config } }) => isOwn(config as ChannelParties));
      const found = await readChannels(
        client,
        own.map(({ channelId }) => channelId),
      );
      for (const [index, row] of own.entries()) {
        const left = chargedOf(row) - (found[index]?.totalClaimed ?? 0n);
        const name = row.record.channelConfig.receiver.toLowerCase();
        if (left > 0n) unclaimed.set(name, (unclaimed.get(name) ?? 0n) + left);
      }
    }
    const unswept = await readUnswept(client, receivers);
    const before =
      from === 0n ? receivers.map(() => ({ claimed: 0n })) : await readReceivers(client, receivers, from - 1n);
    const after = await readReceivers(client, receivers, to);
    return receivers.map(({ receiver }, index) => {
      const [one, other] = [before?.[index], after?.[index]];
      const grown = one === undefined || other === undefined ? undefined : other.claimed - one.claimed;
      return {
        receiver,
        unclaimed: unclaimed.get(receiver.toLowerCase()) ?? 0n,
        unswept: unswept[index] ?? 0n,
        unknownClaims: grown === undefined ? undefined : grown - (claimedOnChain.get(receiver) ?? 0n),
      };
    });
  }
}

type LoggedEvent = Omit<ChannelEvent, "chainId" | "payer" | "timestampSeconds">;

function eventOf(log: ChannelLog, parties: ReadonlyMap<Hex, ChannelParties>): LoggedEvent | undefined {
  const { kind, amount, transactionHash, logIndex, blockNumber } = log;
  if (kind === "announcement") return undefined;
  const place = { kind, amount, transactionHash, logIndex, blockNumber };
  if (log.kind === "sweep") return { ...place, channelId: undefined, receiver: log.receiver, token: log.token };
  const known = parties.get(log.channelId);
  if (known === undefined) return undefined;
  return { ...place, channelId: log.channelId, receiver: known.receiver, token: known.token };
}

function nameOf({ transactionHash, logIndex }: Pick<ChannelEvent, "transactionHash" | "logIndex">): string {
  return `${transactionHash}:${logIndex}`;
}

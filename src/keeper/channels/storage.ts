import type { ChannelStorage, ChannelUpdateResult } from "@x402/evm/batch-settlement/server";
import type { Hex } from "viem";
import { gather, type Settled } from "../../async/gather.ts";
import { channelIdOf } from "../../channels/index.ts";
import { type Clock, systemClock } from "../../clock.ts";
import type { ChannelChange, ChannelJournal, ChannelRecord, ChannelRow } from "../../journal/index.ts";
import { everyChannel } from "../../journal/pages.ts";
import { ChannelError } from "./errors.ts";
import {
  awaitsDeposit,
  createRequestLeases,
  isReservation,
  REQUEST_LEASE_MS,
  stripped,
  unsynced,
  withdrawing,
} from "./reservation.ts";
import { chargedOf } from "./rows.ts";

/** The chain of a storage, and how long a request may hold a channel. */
export type ChannelStorageOptions = {
  /** The chain of the channels. A server that sells on several chains needs one storage for each. */
  readonly chainId: number;
  readonly clock?: Clock;
  /** How long a request may hold its channel after its process died, 15 s by default. */
  readonly requestLeaseMs?: number;
};

/** How many updates may share a transaction. */
const MAX_GATHERED = 500;

type Update = (current: ChannelRecord | undefined) => ChannelRecord | undefined;
type Item = { readonly channelId: Hex; readonly update: Update };

/**
 * The official server package's channel storage on the journal, for any number of server processes. An update is
 * durable when it resolves, and atomic: it is computed without a lock and stored only if the channel is still as it was
 * read. So an update function may be called more than once. Concurrent updates share a transaction.
 *
 * It does five things that the interface does not ask for:
 * - A channel whose payer is withdrawing takes no new request: it seems busy to the server.
 * - A channel that is busy with a request of a killed process is free after some seconds.
 * - A channel whose deposit the server did not hear of has its next voucher checked against the chain.
 * - A record that is deleted while something is unclaimed stays, for `get` and for the keeper, until that is claimed.
 * - A channel of another chain is refused.
 */
export function createChannelStorage(journal: ChannelJournal, options: ChannelStorageOptions): ChannelStorage {
  const { chainId, clock = systemClock, requestLeaseMs = REQUEST_LEASE_MS } = options;
  const leases = createRequestLeases(journal, { clock, leaseMs: requestLeaseMs });

  /** Runs updates until each is stored or has failed. Updates of one channel run in order, one after the other. */
  async function run(items: readonly Item[]): Promise<readonly Settled<ChannelUpdateResult>[]> {
    const answers: (Settled<ChannelUpdateResult> | undefined)[] = items.map(() => undefined);
    let left = items.map((_, index) => index);
    while (left.length > 0) {
      const ids = [...new Set(left.map((index) => items[index]!.channelId))];
      const rows = await journal.channels(ids);
      const drafts = new Map<Hex, Draft>();
      const results = left.map((index): Settled<ChannelUpdateResult> => {
        const { channelId, update } = items[index]!;
        const draft = drafts.get(channelId) ?? draftOf(rows.get(channelId));
        try {
          const { result, after, wanted = draft.wanted } = apply(channelId, draft.after, update);
          drafts.set(channelId, { before: draft.before, after, wanted });
          return { ok: true, value: result };
        } catch (error) {
          return { ok: false, error };
        }
      });
      const changes = [...drafts.values()].filter(({ before, after }) => before !== after);
      const done = await journal.changeChannels(changes, clock.now());
      const lost = new Set(changes.map(({ before, after }) => (after ?? before)?.channelId));
      for (const id of done) lost.delete(id);
      for (const { before, after, wanted } of changes) {
        const isDone = !lost.has((after ?? before)?.channelId);
        if (isDone) leases.stored({ before: before?.record, after: after?.record, wanted });
      }
      for (const [position, index] of left.entries()) {
        if (!lost.has(items[index]!.channelId)) answers[index] = results[position];
      }
      left = left.filter((index) => answers[index] === undefined);
    }
    return answers.map((answer) => answer!);
  }

  /** Applies one update to a row as it was read, or as an earlier update left it. */
  function apply(
    channelId: Hex,
    row: Content | undefined,
    update: Update,
  ): { result: ChannelUpdateResult; after: Content | undefined; wanted?: ChannelRecord } {
    const current = row?.record;
    const next = update(current);
    if (next === current) return { result: { channel: current, status: "unchanged" }, after: row };
    if (next === undefined) return { result: { channel: undefined, status: "deleted" }, after: deleted(row) };

    if (isReservation(current, next) && (row?.withdrawal !== undefined || next.withdrawRequestedAt > 0)) {
      const busy = withdrawing(current ?? next);
      if (update(busy) !== busy) {
        throw new ChannelError("The payer of this channel is withdrawing: it takes no more requests.", {
          hint: "The payer opens another channel, or waits until the withdrawal is over.",
        });
      }
      return { result: { channel: busy, status: "unchanged" }, after: row };
    }
    if (row === undefined) requireOwn(channelId, next);
    const known = row ?? { channelId, chainId, claimed: 0n, withdrawal: undefined, fault: undefined };
    const isTaken = isReservation(current, next);
    const record = isTaken ? leases.leased(next) : next;
    const result = { channel: record, status: "updated" } as const;
    return { result, after: { ...known, record, isDeleted: false }, ...(isTaken ? { wanted: next } : {}) };
  }

  function requireOwn(channelId: Hex, { channelConfig }: ChannelRecord): void {
    if (channelIdOf(chainId, channelConfig).toLowerCase() === channelId) return;
    throw new ChannelError(`The channel ${channelId} is not one of chain ${chainId} with these terms.`, {
      hint: "Give each chain its own storage.",
    });
  }

  const change = gather(run, MAX_GATHERED);
  return {
    get: async (channelId) => {
      const id = idOf(channelId);
      const record = (await journal.channels([id])).get(id)?.record;
      return record !== undefined && awaitsDeposit(record) ? unsynced(record) : record;
    },
    list: async () => {
      const records: ChannelRecord[] = [];
      for await (const page of everyChannel(journal, chainId)) {
        for (const { record, isDeleted } of page) if (!isDeleted) records.push(record);
      }
      return records;
    },
    updateChannel: (channelId, update) => change({ channelId: idOf(channelId), update }),
  };
}

type Content = NonNullable<ChannelChange["after"]>;
type Draft = {
  readonly before: ChannelRow | undefined;
  readonly after: Content | undefined;
  /** The record with which a request asked to take the channel. */
  readonly wanted: ChannelRecord | undefined;
};

function draftOf(row: ChannelRow | undefined): Draft {
  return { before: row, after: row, wanted: undefined };
}

/** What stays of a row that the server deletes: undefined, unless something is unclaimed. */
function deleted(row: Content | undefined): Content | undefined {
  if (row === undefined) return undefined;
  const claimed = BigInt(row.record.totalClaimed);
  if (chargedOf(row) <= (claimed > row.claimed ? claimed : row.claimed)) return undefined;
  return { ...row, record: stripped(row.record), isDeleted: true };
}

function idOf(channelId: string): Hex {
  if (/^0x[0-9a-fA-F]{64}$/.test(channelId)) return channelId.toLowerCase() as Hex;
  throw new ChannelError(`${JSON.stringify(channelId.slice(0, 80))} is not a channel id.`, {
    hint: "Write 0x and 64 hex digits.",
  });
}

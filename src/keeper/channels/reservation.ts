import { randomUUID } from "node:crypto";
import type { Hex } from "viem";
import { type Clock, systemClock } from "../../clock.ts";
import type { ChannelJournal, ChannelRecord } from "../../journal/index.ts";
import { changeRows } from "./rows.ts";

// Requests in progress on channels: everything that depends on the official `Channel.pendingRequest` is here. A request
// takes a channel by writing that field. Another request that finds the field set and not expired is turned away. A
// request is only charged if the channel still names it: this rule keeps two requests from having the same channel. The
// expiry time is for requests whose process died.

/**
 * How long a request holds its channel without a sign of life from its process, which renews the lease after each third
 * of this time. The clocks of processes that share a journal may differ by two thirds of it. If they differ by more,
 * one process may take a channel from another, whose request then fails uncharged.
 */
export const REQUEST_LEASE_MS = 15_000;

/** The id of the request that a channel under withdrawal seems to be busy with. It is never stored. */
const WITHDRAWAL_REQUEST = "tributary:withdrawal";

/** A record without the request in progress and the time of the last look at the chain. */
export function stripped({ pendingRequest: _, onchainSyncedAt: __, ...record }: ChannelRecord): ChannelRecord {
  return record;
}

/** A record without the time of the last look at the chain, so that the server asks the chain again. */
export function unsynced(record: ChannelRecord): ChannelRecord {
  const { pendingRequest } = record;
  return pendingRequest === undefined ? stripped(record) : { ...stripped(record), pendingRequest };
}

/**
 * Whether the newest voucher of a channel needs a deposit that this record does not show. The deposit may be on the
 * chain although the server did not hear of it, so the record must not be used in place of the chain.
 */
export function awaitsDeposit({ balance, signedMaxClaimable }: ChannelRecord): boolean {
  return BigInt(signedMaxClaimable) > BigInt(balance);
}

/** The id of the request that has a channel, expired or not. */
export function requestOf(record: ChannelRecord | undefined): string | undefined {
  return record?.pendingRequest?.pendingId;
}

/** Whether a request holds a channel now. */
export function isBusy({ pendingRequest }: ChannelRecord, nowMs: number): boolean {
  return pendingRequest !== undefined && pendingRequest.expiresAt > nowMs;
}

/** Whether an update gives a channel to a request other than the one that had it. */
export function isReservation(current: ChannelRecord | undefined, next: ChannelRecord): boolean {
  return requestOf(next) !== undefined && requestOf(next) !== requestOf(current);
}

/** A record that seems busy forever. */
export function withdrawing(record: ChannelRecord): ChannelRecord {
  return holding(record, WITHDRAWAL_REQUEST, Number.MAX_SAFE_INTEGER);
}

/** A record that is reserved until `expiresAt`, in Unix milliseconds, and the id of the reservation. */
export function reservedUntil(record: ChannelRecord, expiresAt: number) {
  const pendingId = `tributary:refund:${randomUUID()}`;
  return { record: holding(stripped(record), pendingId, expiresAt), pendingId };
}

function holding(record: ChannelRecord, pendingId: string, expiresAt: number): ChannelRecord {
  const { signedMaxClaimable } = record;
  return { ...record, pendingRequest: { pendingId, signedMaxClaimable, expiresAt } };
}

/**
 * Whether a request charges nothing: it is a refund. Whoever holds a refund may still send it for a while. So it keeps
 * its channel for as long as the server asked, even if its process died: a voucher accepted meanwhile would not be
 * covered.
 */
function chargesNothing({ chargedCumulativeAmount, pendingRequest }: ChannelRecord): boolean {
  return pendingRequest !== undefined && BigInt(pendingRequest.signedMaxClaimable) <= BigInt(chargedCumulativeAmount);
}

export type RequestLeases = {
  /** A record that takes a channel for a request of this process; at first for no longer than its lease. */
  readonly leased: (record: ChannelRecord) => ChannelRecord;
  /**
   * Told of what was stored. If a request took its channel, its lease is renewed until something ends the request, or
   * until the expiry in `wanted`, the record that the server asked for.
   */
  readonly stored: (change: {
    readonly before: ChannelRecord | undefined;
    readonly after: ChannelRecord | undefined;
    readonly wanted: ChannelRecord | undefined;
  }) => void;
};

type Held = { readonly channelId: Hex; readonly untilMs: number };

/** The leases of one process's requests. No timer runs while no request is in progress. */
export function createRequestLeases(
  journal: ChannelJournal,
  { clock = systemClock, leaseMs = REQUEST_LEASE_MS }: { readonly clock?: Clock; readonly leaseMs?: number } = {},
): RequestLeases {
  /** Keyed by the request's id. */
  const held = new Map<string, Held>();
  let resting: AbortController | undefined;

  async function renew(): Promise<void> {
    const nowMs = clock.now();
    for (const [id, { untilMs }] of held) if (untilMs <= nowMs) held.delete(id);
    const ids = [...held.values()].map(({ channelId }) => channelId);
    await changeRows(journal, ids, nowMs, (row) => {
      const { pendingRequest } = row.record;
      const own = pendingRequest === undefined ? undefined : held.get(pendingRequest.pendingId);
      if (pendingRequest === undefined || own === undefined) return row;
      const expiresAt = Math.min(own.untilMs, nowMs + leaseMs);
      if (expiresAt <= pendingRequest.expiresAt) return row;
      return { ...row, record: { ...row.record, pendingRequest: { ...pendingRequest, expiresAt } } };
    });
  }

  async function keep(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await clock.sleep(leaseMs / 3, signal);
      if (signal.aborted) return;
      // If a lease cannot be renewed now, the next try may succeed. Until then nobody else can take the channel.
      await renew().catch((error: unknown) => {
        if (error instanceof Error && "kind" in error && error.kind === "closed") held.clear();
      });
      rest();
    }
  }

  function rest(): void {
    if (held.size > 0) return;
    resting?.abort();
    resting = undefined;
  }

  return {
    leased: (record) => {
      const { pendingRequest } = record;
      if (pendingRequest === undefined || chargesNothing(record)) return record;
      const expiresAt = Math.min(pendingRequest.expiresAt, clock.now() + leaseMs);
      return { ...record, pendingRequest: { ...pendingRequest, expiresAt } };
    },
    stored: ({ before, after, wanted }) => {
      const ended = requestOf(before);
      if (ended !== undefined && ended !== requestOf(after)) held.delete(ended);
      const request = requestOf(after);
      const untilMs = requestOf(wanted) === request ? wanted?.pendingRequest?.expiresAt : undefined;
      if (after !== undefined && request !== undefined && untilMs !== undefined) {
        const isLeased = untilMs > (after.pendingRequest?.expiresAt ?? 0);
        if (isLeased) held.set(request, { channelId: after.channelId.toLowerCase() as Hex, untilMs });
      }
      if (held.size > 0 && resting === undefined) {
        resting = new AbortController();
        void keep(resting.signal);
      }
      rest();
    },
  };
}

import { randomUUID } from "node:crypto";
import type { Hex } from "viem";
import { type Clock, systemClock } from "../../clock.ts";
import type { ChannelJournal, ChannelRecord } from "../../journal/index.ts";
import { changeRows } from "./rows.ts";

// Requests in progress on channels: all that depends on the official `Channel.pendingRequest` is here. Whoever wants a channel
// for a request writes that field; who finds it there, and not over, is turned away; and a request is only charged where the
// channel still names it. That last rule is what keeps two from having a channel. The time is for those who died.

/**
 * How long a request holds its channel without a sign of life of its process, which renews it at every third of that. The clocks of
 * processes that share a journal may be two thirds of it apart: beyond that, one may take a channel from another, whose request
 * then fails uncharged.
 */
export const REQUEST_LEASE_MS = 15_000;

/** Names the request that a channel under withdrawal seems to be busy with. It is never stored. */
const WITHDRAWAL_REQUEST = "tributary:withdrawal";

/** A record without what a request in progress or a fresh look at the chain would allow. */
export function stripped({ pendingRequest: _, onchainSyncedAt: __, ...record }: ChannelRecord): ChannelRecord {
  return record;
}

/** A record without what a fresh look at the chain would allow. */
export function unsynced(record: ChannelRecord): ChannelRecord {
  const { pendingRequest } = record;
  return pendingRequest === undefined ? stripped(record) : { ...stripped(record), pendingRequest };
}

/**
 * Whether the newest voucher of a channel needs a deposit that this record knows nothing of: it may be on the chain although the
 * server did not hear of it, so that the record may not answer for the chain.
 */
export function awaitsDeposit({ balance, signedMaxClaimable }: ChannelRecord): boolean {
  return BigInt(signedMaxClaimable) > BigInt(balance);
}

/** The request that a channel is busy with, dead or alive. */
export function requestOf(record: ChannelRecord | undefined): string | undefined {
  return record?.pendingRequest?.pendingId;
}

/** Whether a request holds a channel now. */
export function isBusy({ pendingRequest }: ChannelRecord, nowMs: number): boolean {
  return pendingRequest !== undefined && pendingRequest.expiresAt > nowMs;
}

/** Whether an update takes a channel for another request than the one that had it. */
export function isReservation(current: ChannelRecord | undefined, next: ChannelRecord): boolean {
  return requestOf(next) !== undefined && requestOf(next) !== requestOf(current);
}

/** A record that seems busy for ever. */
export function withdrawing(record: ChannelRecord): ChannelRecord {
  return holding(record, WITHDRAWAL_REQUEST, Number.MAX_SAFE_INTEGER);
}

/** A record that is taken until a time, and a name for that. */
export function reservedUntil(record: ChannelRecord, expiresAt: number) {
  const pendingId = `tributary:refund:${randomUUID()}`;
  return { record: holding(stripped(record), pendingId, expiresAt), pendingId };
}

function holding(record: ChannelRecord, pendingId: string, expiresAt: number): ChannelRecord {
  const { signedMaxClaimable } = record;
  return { ...record, pendingRequest: { pendingId, signedMaxClaimable, expiresAt } };
}

/**
 * Whether a request charges nothing: a refund. Whoever has one may send it for a while yet, so that it holds its channel for the
 * time that the server asked for, dead or alive: a voucher that came in between would not be covered.
 */
function chargesNothing({ chargedCumulativeAmount, pendingRequest }: ChannelRecord): boolean {
  return pendingRequest !== undefined && BigInt(pendingRequest.signedMaxClaimable) <= BigInt(chargedCumulativeAmount);
}

export type RequestLeases = {
  /** A record that takes a channel for a request of this process, for no longer than its lease at first. */
  readonly leased: (record: ChannelRecord) => ChannelRecord;
  /**
   * Told of what was stored: renews the lease of a request that took its channel until something ends it, or until `wanted`, the record
   * that the server asked for, says that it is over.
   */
  readonly stored: (change: {
    readonly before: ChannelRecord | undefined;
    readonly after: ChannelRecord | undefined;
    readonly wanted: ChannelRecord | undefined;
  }) => void;
};

type Held = { readonly channelId: Hex; readonly untilMs: number };

/** The leases of one process's requests. Nothing of it runs while no request is in progress. */
export function createRequestLeases(
  journal: ChannelJournal,
  { clock = systemClock, leaseMs = REQUEST_LEASE_MS }: { readonly clock?: Clock; readonly leaseMs?: number } = {},
): RequestLeases {
  /** By the request's id. */
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
      // What cannot be renewed now may be the next time; until then nobody else has it.
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

import { hostname } from "node:os";
import type { Address } from "viem";
import { type Clock, elapsedMs } from "../../clock.ts";
import type { HeldLease, Lease, LeaseJournal, LeasePlace } from "../../journal/ports/leases.ts";
import type { Logger } from "../../logger.ts";

/** Another engine that has a key, as far as this process has seen it. */
export type Rival = {
  readonly lease: HeldLease;
  /** For how long this process has seen no renewal of the lease, by a clock that nobody sets. */
  readonly quietForMs: number;
  /** Whether this process has seen the lease change: then its owner is alive, or was a moment ago. */
  readonly isAlive: boolean;
};

/** This engine's hold on one sending key. */
export type LeaseKeeper = {
  /**
   * The lease, while it is valid by this process's own clock. The journal has the last word each time something is
   * signed.
   */
  readonly holds: () => Lease | undefined;
  /** Takes or renews the lease if that is due. Resolves with the engine that has the key, if it is another one. */
  readonly keep: () => Promise<Rival | undefined>;
  /** Notes that the journal said that the lease is no longer ours. */
  readonly lose: () => void;
  readonly release: () => Promise<void>;
};

const HERE: LeasePlace = { host: hostname(), pid: process.pid };

/**
 * Each renewal of a lease raises its count. The lease is taken from another engine only after this process has seen
 * that count stand still for the lease's whole life, by its own steady clock. So the time of day does not matter: a
 * process may have a wrong clock, and somebody may set the database's clock. If the former owner of a taken key signs
 * afterwards, the journal refuses it because of its epoch.
 */
export function createLeaseKeeper(options: {
  readonly journal: LeaseJournal;
  readonly key: { readonly chainId: number; readonly sender: Address };
  readonly owner: string;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}): LeaseKeeper {
  const { journal, key, owner, ttlMs, clock, logger } = options;
  let mine: { readonly lease: Lease; readonly untilMs: number } | undefined;
  let watched: { readonly lease: HeldLease; readonly sinceMs: number; readonly changed: boolean } | undefined;
  let lastEpoch: number | undefined;
  let released = false;

  /** The watched lease, if this process has seen it unchanged for its whole life. */
  function abandoned(nowMs: number): HeldLease | undefined {
    return watched !== undefined && nowMs - watched.sinceMs >= watched.lease.ttlMs ? watched.lease : undefined;
  }

  /**
   * Notes another engine's lease. `nowMs` is when the journal's answer arrived, so it is never before the lease was
   * written.
   */
  function watch(lease: HeldLease, nowMs: number): Rival {
    const isSame =
      lease.owner === watched?.lease.owner &&
      lease.epoch === watched.lease.epoch &&
      lease.renewals === watched.lease.renewals;
    if (!isSame || watched === undefined) watched = { lease, sinceMs: nowMs, changed: watched !== undefined };
    return { lease, quietForMs: nowMs - watched.sinceMs, isAlive: watched.changed };
  }

  return {
    holds: () => (mine !== undefined && elapsedMs(clock) < mine.untilMs ? mine.lease : undefined),
    keep: async () => {
      const nowMs = elapsedMs(clock);
      if (released || (mine !== undefined && mine.untilMs - nowMs > (ttlMs * 2) / 3)) return undefined;
      const request = { ...key, owner, ttlMs, place: HERE };
      const answer = await journal.acquireLease({ ...request, abandoned: abandoned(nowMs) });
      if (!("lease" in answer)) {
        const { heldBy } = answer;
        if (mine !== undefined) {
          logger.error("sending key was taken over", { sender: key.sender, by: heldBy.owner, ...heldBy.place });
        }
        mine = undefined;
        return watch(heldBy, elapsedMs(clock));
      }
      if (released) {
        await journal.releaseLease(answer.lease);
        return undefined;
      }
      // Our time starts before the journal was asked. Others start theirs later, so ours ends first.
      mine = { lease: answer.lease, untilMs: nowMs + ttlMs };
      watched = undefined;
      const { epoch } = answer.lease;
      if (lastEpoch !== epoch) logger.info("sending key is ours", { sender: key.sender, epoch });
      lastEpoch = epoch;
      return undefined;
    },
    lose: () => {
      if (mine !== undefined) logger.error("sending key is no longer ours", { sender: key.sender });
      mine = undefined;
    },
    release: async () => {
      released = true;
      const held = mine?.lease;
      mine = undefined;
      if (held !== undefined) await journal.releaseLease(held);
    },
  };
}

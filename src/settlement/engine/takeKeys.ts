import type { Clock } from "../../clock.ts";
import type { HeldLease } from "../../journal/ports/leases.ts";
import type { Rival } from "../sending/lease.ts";
import type { Sender } from "../sending/types.ts";
import { SenderHeldError } from "./errors.ts";

/** What a caller is told who waits for a key. */
export type KeyWait = {
  /** The longest time until it is known whether the key is free, in milliseconds. */
  readonly waitMs: number;
  /** The lease that is watched. */
  readonly lease: HeldLease;
};

/** How a caller waits for a key that another engine holds. */
export type Patience = {
  /** Called once. */
  readonly onWait?: (wait: KeyWait) => void;
  readonly signal?: AbortSignal | undefined;
};

/**
 * Takes the lease of every sender, or releases all of them. With patience, it watches a lease that another engine
 * holds, and takes the key once the lease has not been renewed for its whole life. If the lease is renewed meanwhile,
 * its owner is alive, and this gives up.
 * @throws SenderHeldError if another engine has one of the keys.
 */
export async function takeKeys(
  senders: readonly Sender[],
  how: { readonly clock: Clock; readonly ttlMs: number; readonly patience: Patience | undefined },
): Promise<void> {
  const { clock, ttlMs, patience } = how;
  let told = false;
  try {
    for (;;) {
      const rivals: Rival[] = [];
      for (const sender of senders) {
        const rival = await sender.keepLease();
        if (rival !== undefined) rivals.push(rival);
      }
      const [first] = rivals;
      if (first === undefined) break;
      const alive = rivals.find(({ isAlive }) => isAlive);
      if (alive !== undefined) throw heldError(alive);
      if (patience === undefined || patience.signal?.aborted === true) throw heldError(first);
      const waitMs = Math.max(1, ...rivals.map(({ lease, quietForMs }) => lease.ttlMs - quietForMs));
      if (!told) patience.onWait?.({ waitMs, lease: first.lease });
      told = true;
      // Look often enough to see a renewal, and to renew the keys that are ours already.
      const lookMs = Math.min(ttlMs, ...rivals.map(({ lease }) => lease.ttlMs)) / 5;
      await clock.sleep(Math.min(waitMs, lookMs), patience.signal);
    }
    for (const sender of senders) await sender.count();
  } catch (error) {
    await Promise.all(senders.map((sender) => sender.close().catch(() => undefined)));
    throw error;
  }
}

function heldError({ lease, isAlive }: Rival): SenderHeldError {
  const { place, ttlMs, sender } = lease;
  const silent = `${Math.round(lease.silentForMs / 100) / 10} s`;
  return new SenderHeldError(lease, `Another engine sends from ${sender}: ${nameOf(lease)}.`, {
    details: isAlive
      ? "It is alive: it renewed its lease while this one watched."
      : `It renewed its lease ${silent} ago, by the database's clock. One look cannot show whether it is alive.`,
    hint:
      `Stop ${place === undefined ? "it" : `process ${place.pid}`}, or give this one another key. ` +
      `The key of an engine that was killed is free once its lease was not renewed for ${Math.ceil(ttlMs / 1000)} s.`,
  });
}

/** The owner of a lease, as people read it. */
export function nameOf({ place, owner }: Pick<HeldLease, "place" | "owner">): string {
  return place === undefined ? owner : `process ${place.pid} on ${place.host}`;
}

import type { Address } from "viem";
import type { Clock } from "../../clock.ts";
import type { Logger } from "../../logger.ts";
import type { Lease, Store } from "../store/types.ts";

/** This engine's hold on one sending key. */
export type LeaseKeeper = {
  /** The lease, while it holds by this process's clock. The store has the last word each time something is signed. */
  readonly holds: () => Lease | undefined;
  /** Takes or renews the lease where that is due. Answers with the lease of whoever else has the key. */
  readonly keep: () => Promise<Lease | undefined>;
  /** The store said that the lease is no longer ours. */
  readonly lose: () => void;
  readonly release: () => Promise<void>;
};

export function createLeaseKeeper(options: {
  readonly store: Store;
  readonly key: { readonly chainId: number; readonly sender: Address };
  readonly owner: string;
  readonly ttlMs: number;
  readonly clock: Clock;
  readonly logger: Logger;
}): LeaseKeeper {
  const { store, key, owner, ttlMs, clock, logger } = options;
  let lease: Lease | undefined;
  let lastEpoch: number | undefined;
  let released = false;

  return {
    holds: () => (lease !== undefined && clock.now() < lease.expiresAtMs ? lease : undefined),
    keep: async () => {
      const nowMs = clock.now();
      if (released || (lease !== undefined && lease.expiresAtMs - nowMs > (ttlMs * 2) / 3)) return undefined;
      const answer = await store.acquireLease({ ...key, owner, nowMs, ttlMs });
      if (!("lease" in answer)) {
        if (lease !== undefined) {
          logger.error("sending key was taken over", { sender: key.sender, by: answer.heldBy.owner });
        }
        lease = undefined;
        return answer.heldBy;
      }
      if (released) {
        await store.releaseLease(answer.lease);
        return undefined;
      }
      lease = answer.lease;
      if (lastEpoch !== lease.epoch) logger.info("sending key is ours", { sender: key.sender, epoch: lease.epoch });
      lastEpoch = lease.epoch;
      return undefined;
    },
    lose: () => {
      if (lease !== undefined) logger.error("sending key is no longer ours", { sender: key.sender });
      lease = undefined;
    },
    release: async () => {
      released = true;
      const held = lease;
      lease = undefined;
      if (held !== undefined) await store.releaseLease(held);
    },
  };
}

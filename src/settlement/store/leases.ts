import { sql } from "kysely";
import { getAddress } from "viem";
import type { Backend, Write } from "./backend.ts";
import type { Lease, Store } from "./types.ts";

type LeaseMethods = Pick<Store, "acquireLease" | "renewLease" | "releaseLease">;

/** Leases of sending keys. */
export function leaseMethods({ write }: Backend): LeaseMethods {
  return {
    acquireLease: ({ chainId, sender: given, owner, nowMs, ttlMs }) =>
      write(async (transaction) => {
        const { db, dialect } = transaction;
        const sender = getAddress(given);
        const key = { chain_id: chainId, sender };
        await db
          .insertInto("leases")
          .values({ ...key, owner: null, epoch: 0, expires_at_ms: 0 })
          .onConflict((conflict) => conflict.columns(["chain_id", "sender"]).doNothing())
          .execute();
        const query = db.selectFrom("leases").selectAll().where("chain_id", "=", chainId).where("sender", "=", sender);
        const held = await dialect.lock(query, "update").executeTakeFirstOrThrow();
        if (held.owner !== null && held.owner !== owner && held.expires_at_ms > nowMs) {
          const { owner: other, epoch, expires_at_ms: expiresAtMs } = held;
          return { heldBy: { chainId, sender, owner: other, epoch, expiresAtMs } };
        }
        const lease: Lease = {
          chainId,
          sender,
          owner,
          epoch: held.owner === owner ? held.epoch : held.epoch + 1,
          expiresAtMs: nowMs + ttlMs,
        };
        await db
          .updateTable("leases")
          .set({ owner, epoch: lease.epoch, expires_at_ms: lease.expiresAtMs })
          .where("chain_id", "=", chainId)
          .where("sender", "=", sender)
          .execute();
        if (held.owner !== null && held.owner !== owner) await releaseClaims(transaction, chainId, held.owner, nowMs);
        return { lease };
      }),

    renewLease: (lease, nowMs, ttlMs) =>
      write(async ({ db }) => {
        const renewed = await db
          .updateTable("leases")
          .set({ expires_at_ms: nowMs + ttlMs })
          .where("chain_id", "=", lease.chainId)
          .where("sender", "=", getAddress(lease.sender))
          .where("owner", "=", lease.owner)
          .where("epoch", "=", lease.epoch)
          .returning("expires_at_ms")
          .executeTakeFirst();
        return renewed === undefined ? undefined : { ...lease, expiresAtMs: renewed.expires_at_ms };
      }),

    releaseLease: async (lease) => {
      await write(({ db }) =>
        db
          .updateTable("leases")
          .set({ owner: null, expires_at_ms: 0 })
          .where("chain_id", "=", lease.chainId)
          .where("sender", "=", getAddress(lease.sender))
          .where("owner", "=", lease.owner)
          .where("epoch", "=", lease.epoch)
          .execute(),
      );
    },
  };
}

/**
 * Frees what an engine had claimed whose key was taken over, if no key of this chain is left to it: else it may be alive, or
 * the last of its keys frees it. One that was only stopped may wake up and go on with what it had planned. That does no harm:
 * a claim spares engines double work and guards nothing. What it signs is fenced by the epoch, and under a new lease only
 * payments go into a batch that are still queued and have no variant in flight; every other change names the states that
 * it starts from.
 */
async function releaseClaims({ db, dialect }: Write, chainId: number, owner: string, nowMs: number): Promise<void> {
  const alive = await db
    .selectFrom("leases")
    .select("sender")
    .where("chain_id", "=", chainId)
    .where("owner", "=", owner)
    .where("expires_at_ms", ">", nowMs)
    .executeTakeFirst();
  if (alive !== undefined) return;
  await db
    // What somebody is changing at this moment is not waited for: its claim ends with that, or lapses.
    .with("claimed", (within) =>
      dialect.lock(
        within
          .selectFrom("payments")
          .select("id")
          .where("chain_id", "=", chainId)
          .where("state", "=", sql.lit("queued" as const))
          .where("claimed_by", "=", owner),
        "skip-locked",
      ),
    )
    .updateTable("payments")
    .from("claimed")
    .set({ claimed_by: null, claimed_until_ms: 0 })
    .whereRef("payments.id", "=", "claimed.id")
    .execute();
}

/** Whether a lease still holds at `nowMs`. It cannot be taken over before this transaction ends. */
export async function holds({ db, dialect }: Write, lease: Lease, nowMs: number): Promise<boolean> {
  const query = db
    .selectFrom("leases")
    .select(["owner", "epoch", "expires_at_ms"])
    .where("chain_id", "=", lease.chainId)
    .where("sender", "=", getAddress(lease.sender));
  const row = await dialect.lock(query, "share").executeTakeFirst();
  return row !== undefined && row.owner === lease.owner && row.epoch === lease.epoch && row.expires_at_ms > nowMs;
}

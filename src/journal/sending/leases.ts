import { type Selectable, sql } from "kysely";
import { getAddress } from "viem";
import type { Backend, Write } from "../database/backend.ts";
import type { LeaseTable } from "../database/tables.ts";
import type { HeldLease, Lease, LeaseJournal } from "../ports/leases.ts";

/** Leases of sending keys. */
export function leaseMethods({ read, write, dialect }: Backend): LeaseJournal {
  return {
    acquireLease: ({ chainId, sender: given, owner, ttlMs, place, abandoned }) =>
      write(async (transaction) => {
        const { db } = transaction;
        const sender = getAddress(given);
        const none = { owner: null, epoch: 0, renewals: 0, ttl_ms: 0, host: null, pid: null };
        await db
          .insertInto("leases")
          .values({ chain_id: chainId, sender, ...none, taken_at_ms: 0, renewed_at_ms: 0 })
          .onConflict((conflict) => conflict.columns(["chain_id", "sender"]).doNothing())
          .execute();
        const query = db
          .selectFrom("leases")
          .selectAll()
          .select(dialect.nowMs.as("now_ms"))
          .where("chain_id", "=", chainId)
          .where("sender", "=", sender);
        const held = await dialect.lock(query, "update").executeTakeFirstOrThrow();
        const other = heldLease(held);
        const isOthers = other !== undefined && other.owner !== owner;
        if (isOthers && !isSame(other, abandoned)) return { heldBy: other };
        const isRenewed = other !== undefined && !isOthers;
        const epoch = isRenewed ? held.epoch : held.epoch + 1;
        await db
          .updateTable("leases")
          .set({ owner, epoch, ttl_ms: ttlMs, host: place?.host ?? null, pid: place?.pid ?? null })
          .set({ renewals: held.renewals + 1, renewed_at_ms: dialect.nowMs })
          .$if(!isRenewed, (update) => update.set({ taken_at_ms: dialect.nowMs }))
          .where("chain_id", "=", chainId)
          .where("sender", "=", sender)
          .execute();
        if (isOthers) await freePicked(transaction, chainId, other.owner);
        return { lease: { chainId, sender, owner, epoch } };
      }),

    releaseLease: async (lease) => {
      await write(({ db }) =>
        db
          .updateTable("leases")
          .set({ owner: null })
          .where("chain_id", "=", lease.chainId)
          .where("sender", "=", getAddress(lease.sender))
          .where("owner", "=", lease.owner)
          .where("epoch", "=", lease.epoch)
          .execute(),
      );
    },

    senders: (chainId) =>
      read(async (db) => {
        const query = db
          .selectFrom("leases")
          .selectAll("leases")
          .select((one) => [
            dialect.nowMs.as("now_ms"),
            one
              .selectFrom("batches")
              .select(({ fn }) => fn.countAll<number>().as("open"))
              .whereRef("batches.chain_id", "=", "leases.chain_id")
              .whereRef("batches.sender", "=", "leases.sender")
              .where("batches.state", "=", sql.lit("open" as const))
              .as("open"),
            one
              .selectFrom("batches")
              .select(({ fn }) => fn.max<number | null>("batches.tx_nonce").as("last"))
              .whereRef("batches.chain_id", "=", "leases.chain_id")
              .whereRef("batches.sender", "=", "leases.sender")
              .as("last"),
          ])
          .orderBy("leases.chain_id")
          .orderBy("leases.sender");
        const rows = await (chainId === undefined ? query : query.where("leases.chain_id", "=", chainId)).execute();
        return rows.map((row) => ({
          chainId: row.chain_id,
          sender: row.sender,
          epoch: row.epoch,
          lease: heldLease(row),
          openBatches: row.open ?? 0,
          lastTxNonce: row.last ?? undefined,
        }));
      }),
  };
}

/** A row of the table, read together with the database's time, as a lease. */
function heldLease(row: Selectable<LeaseTable> & { readonly now_ms: number }): HeldLease | undefined {
  const { owner, host, pid } = row;
  if (owner === null) return undefined;
  return {
    chainId: row.chain_id,
    sender: row.sender,
    owner,
    epoch: row.epoch,
    place: host === null || pid === null ? undefined : { host, pid },
    renewals: row.renewals,
    ttlMs: row.ttl_ms,
    takenAtMs: row.taken_at_ms,
    silentForMs: Math.max(0, row.now_ms - row.renewed_at_ms),
  };
}

function isSame(held: HeldLease, { owner, epoch, renewals }: Partial<HeldLease> = {}): boolean {
  return held.owner === owner && held.epoch === epoch && held.renewals === renewals;
}

/**
 * Frees what an engine had picked whose key was taken over, unless it has another key of this chain: then it may be
 * alive, or the takeover of its last key frees the picks. An engine that was only paused may wake up and continue with
 * its plan. That does no harm: a pick only spares engines double work. What the engine signs is fenced by the epoch.
 * Under a new lease, a payment goes into a batch only if it is still queued and has no variant in flight. Every other
 * change names the states that it starts from.
 */
async function freePicked({ db, dialect }: Write, chainId: number, owner: string): Promise<void> {
  const alive = await db
    .selectFrom("leases")
    .select("sender")
    .where("chain_id", "=", chainId)
    .where("owner", "=", owner)
    .executeTakeFirst();
  if (alive !== undefined) return;
  await db
    // Rows that somebody is changing just now are skipped: their pick ends with that change, or lapses.
    .with("picked", (within) =>
      dialect.lock(
        within
          .selectFrom("payments")
          .select("id")
          .where("chain_id", "=", chainId)
          .where("state", "=", sql.lit("queued" as const))
          .where("picked_by", "=", owner),
        "skip-locked",
      ),
    )
    .updateTable("payments")
    .from("picked")
    .set({ picked_by: null, picked_until_ms: 0 })
    .whereRef("payments.id", "=", "picked.id")
    .execute();
}

/** Whether the owner still has the lease. It cannot be taken over before this transaction ends. */
export async function holds({ db, dialect }: Write, lease: Lease): Promise<boolean> {
  const query = db
    .selectFrom("leases")
    .select(["owner", "epoch"])
    .where("chain_id", "=", lease.chainId)
    .where("sender", "=", getAddress(lease.sender));
  const row = await dialect.lock(query, "share").executeTakeFirst();
  return row !== undefined && row.owner === lease.owner && row.epoch === lease.epoch;
}

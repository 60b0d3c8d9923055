import { type Kysely, type Selectable, sql } from "kysely";
import { getAddress, type Hex } from "viem";
import type { Backend, Write } from "../database/backend.ts";
import { decodePaymentIds, decodeReceipt, encodeEvidence, encodeReceipt } from "../database/codec.ts";
import type { AttemptTable, BatchTable, Tables } from "../database/tables.ts";
import { batchEvidence, batchRow, newAttempt } from "../payments/rows.ts";
import { applyTransitions, moveAll, prepareTransition } from "../payments/transitions.ts";
import type { BatchJournal, BatchRow, JournalConflict, NewBatch } from "../ports/batches.ts";
import { JournalError } from "../ports/errors.ts";
import type { Lease } from "../ports/leases.ts";
import { EXCLUSIVE_STATES, isOnItsWay, type PaymentState } from "../ports/payments.ts";
import { holds } from "./leases.ts";

const IN_FLIGHT: ReadonlySet<PaymentState> = new Set(EXCLUSIVE_STATES);

/** Batches and their attempts, each change fenced by the lease of the key. */
export function batchMethods({ read, write, dialect }: Backend): BatchJournal {
  return {
    storeBatch: async (lease, batch, nowMs) => {
      const row = newAttempt(batch.id, batch.attempt);
      const evidence = encodeEvidence(batchEvidence(batch.id, batch.attempt.hash));
      return write(async (transaction) => {
        const { db } = transaction;
        if (!covers(lease, batch) || !(await holds(transaction, lease))) return "fenced";
        const existing = await findBatch(db, batch.id);
        // It is already stored, by a call whose answer was lost.
        if (existing !== undefined) return isSame(existing, batch) ? "stored" : "txnonce-taken";
        const ids = batch.attempt.paymentIds;
        const conflict = (await findMoved(transaction, ids)) ?? (await findTxNonce(transaction, batch));
        if (conflict !== undefined) return conflict;
        const { id, chainId, txNonce } = batch;
        await db
          .insertInto("batches")
          .values({
            id,
            chain_id: chainId,
            sender: getAddress(batch.sender),
            tx_nonce: txNonce,
            state: "open",
            receipt: null,
            created_at_ms: nowMs,
          })
          .execute();
        await db.insertInto("attempts").values(row).execute();
        const move = { ids, from: "queued", to: "batched", batchId: id, evidence, countsAsTry: true } as const;
        await moveAll(transaction, move, nowMs);
        return "stored";
      }, batch.attempt.paymentIds.length);
    },

    storeAttempt: async (lease, batchId, attempt) => {
      const row = newAttempt(batchId, attempt);
      return write(async (transaction) => {
        const { db } = transaction;
        if (!(await holds(transaction, lease))) return "fenced";
        const { batch, attempts } = await lockBatch(transaction, batchId);
        if (!covers(lease, ownerOf(batch))) return "fenced";
        if (attempts.some(({ hash }) => hash === attempt.hash)) return "stored";
        if (batch.state === "lost") return "txnonce-taken";
        if (batch.state !== "open") return "payments-moved";
        const carried = new Set(decodePaymentIds(attempts[0]?.payment_ids ?? "[]"));
        if (!attempt.paymentIds.every((id) => carried.has(id))) return "payments-moved";
        const payments = await lockPayments(transaction, attempt.paymentIds);
        const moved = payments.filter((row) => row.batch_id !== batchId || !isOnItsWay(row));
        if (moved.length > 0) return "payments-moved";
        await db.insertInto("attempts").values(row).execute();
        return "stored";
      });
    },

    markBroadcast: (lease, hash, nowMs) =>
      write(async (transaction) => {
        const { db } = transaction;
        if (!(await holds(transaction, lease))) return "fenced";
        const attempt = await db
          .selectFrom("attempts")
          .innerJoin("batches", "batches.id", "attempts.batch_id")
          .select(["batches.id", "batches.chain_id", "batches.sender", "batches.state"])
          .where("attempts.hash", "=", hash)
          .executeTakeFirst();
        if (attempt === undefined) throw unknownError("attempt", hash);
        if (!covers(lease, ownerOf(attempt))) return "fenced";
        if (attempt.state !== "open") return "decided";
        await db.updateTable("attempts").set({ broadcast_at_ms: nowMs }).where("hash", "=", hash).execute();
        const query = db
          .selectFrom("payments")
          .select(["id", "state"])
          .where("batch_id", "=", attempt.id)
          .orderBy("id");
        const payments = await dialect.lock(query, "update").execute();
        const ids = payments.flatMap(({ id, state }) => (state === "batched" ? [id] : []));
        const evidence = encodeEvidence(batchEvidence(attempt.id, hash));
        const move = {
          ids,
          from: "batched",
          to: "submitted",
          batchId: attempt.id,
          evidence,
          countsAsTry: false,
        } as const;
        await moveAll(transaction, move, nowMs);
        return "stored";
      }),

    concludeBatch: async (lease, { batchId, state, receipt, transitions }, nowMs) => {
      const prepared = transitions.map(prepareTransition);
      const encoded = receipt === undefined ? null : encodeReceipt(receipt);
      return write(async (transaction) => {
        if (!(await holds(transaction, lease))) return "fenced";
        const { batch } = await lockBatch(transaction, batchId);
        if (!covers(lease, ownerOf(batch))) return "fenced";
        // An open or lost batch keeps no receipt. A mined or final one keeps the one that it has.
        const kept = state === "mined" || state === "final" ? batch.receipt : null;
        await transaction.db
          .updateTable("batches")
          .set({ state, receipt: encoded ?? kept })
          .where("id", "=", batchId)
          .execute();
        await applyTransitions(transaction, prepared, nowMs);
        return "stored";
      }, prepared.length);
    },

    batches: ({ chainId, sender, states, fromTxNonce, limit }) =>
      read(async (db) => {
        if (states.length === 0) return [];
        let query = db
          .selectFrom("batches")
          .selectAll()
          .where("chain_id", "=", chainId)
          .where("state", "in", states)
          .orderBy("tx_nonce")
          .orderBy("sender")
          .orderBy("created_at_ms");
        if (sender !== undefined) query = query.where("sender", "=", getAddress(sender));
        if (fromTxNonce !== undefined) query = query.where("tx_nonce", ">=", fromTxNonce);
        if (limit !== undefined) query = query.limit(limit);
        const batches = await query.execute();
        if (batches.length === 0) return [];
        const ids = batches.map(({ id }) => id);
        const attempts = await db
          .selectFrom("attempts")
          .selectAll()
          .where(dialect.isOneOf("batch_id", ids))
          .orderBy("id")
          .execute();
        const byBatch = new Map(batches.map(({ id }) => [id, [] as Selectable<AttemptTable>[]]));
        for (const attempt of attempts) byBatch.get(attempt.batch_id)?.push(attempt);
        return batches.map((batch) => batchRow(batch, byBatch.get(batch.id) ?? []));
      }),

    batch: (id) => read((db) => findBatch(db, id)),

    batchWithHash: (hash) =>
      read(async (db) => {
        const row = await db.selectFrom("attempts").select("batch_id").where("hash", "=", hash).executeTakeFirst();
        return row === undefined ? undefined : findBatch(db, row.batch_id);
      }),

    minedBatches: ({ chainId, sender, limit }) =>
      read(async (db) => {
        const rows = await db
          .selectFrom("batches")
          .select(["id", "receipt"])
          .where("chain_id", "=", chainId)
          .where("sender", "=", getAddress(sender))
          .where("state", "=", sql.lit("mined" as const))
          .orderBy("tx_nonce")
          .limit(limit)
          .execute();
        return rows.flatMap(({ id, receipt }) => (receipt === null ? [] : [{ id, receipt: decodeReceipt(receipt) }]));
      }),

    lastTxNonce: (chainId, sender, states) =>
      read(async (db) => {
        const query = db
          .selectFrom("batches")
          .select(({ fn }) => fn.max<number | null>("tx_nonce").as("last"))
          .where("chain_id", "=", chainId)
          .where("sender", "=", getAddress(sender));
        const row = await (states === undefined ? query : query.where("state", "in", states)).executeTakeFirst();
        return row?.last ?? undefined;
      }),
  };
}

type Key = Pick<BatchRow, "chainId" | "sender">;

/** A lease covers one key and gives no right to another key's batches. */
function covers(lease: Lease, { chainId, sender }: Key): boolean {
  return lease.chainId === chainId && getAddress(lease.sender) === getAddress(sender);
}

function ownerOf({ chain_id, sender }: Pick<BatchTable, "chain_id" | "sender">): Key {
  return { chainId: chain_id, sender };
}

function isSame(stored: BatchRow, batch: NewBatch): boolean {
  return (
    stored.chainId === batch.chainId &&
    stored.sender === getAddress(batch.sender) &&
    stored.txNonce === batch.txNonce &&
    stored.attempts[0]?.hash === batch.attempt.hash
  );
}

async function findBatch(db: Kysely<Tables>, id: Hex): Promise<BatchRow | undefined> {
  const batch = await db.selectFrom("batches").selectAll().where("id", "=", id).executeTakeFirst();
  return batch === undefined ? undefined : batchRow(batch, await attemptsOf(db, id));
}

function attemptsOf(db: Kysely<Tables>, batchId: Hex): Promise<Selectable<AttemptTable>[]> {
  return db.selectFrom("attempts").selectAll().where("batch_id", "=", batchId).orderBy("id").execute();
}

async function lockBatch(
  { db, dialect }: Write,
  id: Hex,
): Promise<{ batch: Selectable<BatchTable>; attempts: Selectable<AttemptTable>[] }> {
  const query = db.selectFrom("batches").selectAll().where("id", "=", id);
  const batch = await dialect.lock(query, "update").executeTakeFirst();
  if (batch === undefined) throw unknownError("batch", id);
  return { batch, attempts: await attemptsOf(db, id) };
}

function lockPayments({ db, dialect }: Write, ids: readonly number[]) {
  const columns = ["id", "identity", "state", "batch_id"] as const;
  const query = db.selectFrom("payments").select(columns).where(dialect.isOneOf("id", ids)).orderBy("id");
  return dialect.lock(query, "update").execute();
}

/** Whether a payment of a new batch is not queued, or has a variant in flight or in the same batch. */
async function findMoved(transaction: Write, ids: readonly number[]): Promise<JournalConflict | undefined> {
  if (ids.length === 0) return undefined;
  const { db, dialect } = transaction;
  const payments = await lockPayments(transaction, ids);
  const identities = [...new Set(payments.map(({ identity }) => identity))];
  const queued = payments.filter(({ state }) => state === "queued");
  if (queued.length !== ids.length || identities.length !== ids.length) return "payments-moved";
  const variants = await db
    .selectFrom("payments")
    .select("state")
    .where(dialect.isOneOf("identity", identities))
    .execute();
  return variants.some(({ state }) => IN_FLIGHT.has(state)) ? "payments-moved" : undefined;
}

async function findTxNonce({ db }: Write, batch: NewBatch): Promise<JournalConflict | undefined> {
  const taken = await db
    .selectFrom("batches")
    .select("id")
    .where("chain_id", "=", batch.chainId)
    .where("sender", "=", getAddress(batch.sender))
    .where("tx_nonce", "=", batch.txNonce)
    .where("state", "<>", sql.lit("lost" as const))
    .execute();
  return taken.length > 0 ? "txnonce-taken" : undefined;
}

function unknownError(what: string, id: Hex): JournalError {
  return new JournalError("invalid", `The journal has no ${what} ${id}.`, {
    hint: "Store it before anything is done with it.",
  });
}

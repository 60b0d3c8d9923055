import type { Insertable, Selectable } from "kysely";
import {
  cleanText,
  decodeEvidence,
  decodeInteger,
  decodePaymentIds,
  decodeReceipt,
  decodeWork,
  encodeEvidence,
  encodePaymentIds,
  encodeWork,
} from "../database/codec.ts";
import { textColumn } from "../database/dialect.ts";
import type { AttemptTable, BatchTable, HistoryTable, PaymentTable } from "../database/tables.ts";
import type { Attempt, BatchRow } from "../ports/batches.ts";
import { JournalError } from "../ports/errors.ts";
import type { Evidence } from "../ports/evidence.ts";
import type { HistoryRow, NewPayment, PaymentRow, PaymentState } from "../ports/payments.ts";

export type StoredPayment = Selectable<PaymentTable>;

/** The columns of a payment that is accepted. The others have their defaults. */
export type AcceptedPayment = Pick<
  Insertable<PaymentTable>,
  | "chain_id"
  | "identity"
  | "digest"
  | "work"
  | "deadline"
  | "deadline_rank"
  | "accepted_block"
  | "state"
  | "evidence"
  | "accepted_at_ms"
  | "updated_at_ms"
> & { readonly source: string | null; readonly brought_by: string | null };

export function acceptedPayment(payment: NewPayment, nowMs: number): AcceptedPayment {
  const { identity, digest, work, deadlineSeconds, acceptedBlock, source, bringer } = payment;
  if (identity === "" || cleanText(identity) !== identity || !/^0x[0-9a-f]{64}$/i.test(digest)) {
    throw new JournalError("invalid", "A payment without a usable identity or digest cannot be accepted.", {
      hint: "Give a text without control characters, and 32 bytes.",
    });
  }
  return {
    chain_id: work.kind === "authorization" ? work.authorization.chainId : work.chainId,
    identity,
    digest,
    work: encodeWork(work),
    deadline: deadlineSeconds.toString(),
    deadline_rank: Number(deadlineSeconds > MAX_RANK ? MAX_RANK : deadlineSeconds),
    accepted_block: acceptedBlock.toString(),
    source: textColumn(source),
    brought_by: textColumn(bringer),
    state: "queued",
    evidence: encodeEvidence({ kind: "accepted", block: acceptedBlock }),
    accepted_at_ms: nowMs,
    updated_at_ms: nowMs,
  };
}

/** Deadlines beyond this never come, so their order does not matter. */
const MAX_RANK = BigInt(Number.MAX_SAFE_INTEGER);

export function paymentRow(row: StoredPayment): PaymentRow {
  const work = decodeWork(row.work);
  const rest = {
    id: row.id,
    chainId: row.chain_id,
    identity: row.identity,
    digest: row.digest,
    deadlineSeconds: decodeInteger(row.deadline),
    acceptedBlock: decodeInteger(row.accepted_block),
    source: row.source ?? undefined,
    bringer: row.brought_by ?? undefined,
    state: row.state,
    reason: row.reason ?? undefined,
    reasonCount: row.reason_count ?? undefined,
    evidence: decodeEvidence(row.evidence),
    batchId: row.batch_id ?? undefined,
    acceptedAtMs: row.accepted_at_ms,
    updatedAtMs: row.updated_at_ms,
    tries: row.tries,
    nextTryAtMs: row.next_try_at_ms,
    consumedAtMs: row.consumed_at_ms ?? undefined,
  };
  return work.kind === "call" ? { ...rest, work } : { ...rest, work };
}

export function historyRow(row: Selectable<HistoryTable>): HistoryRow {
  return {
    paymentId: row.payment_id,
    atMs: row.at_ms,
    from: row.from_state ?? undefined,
    to: row.to_state,
    reason: row.reason ?? undefined,
    reasonCount: row.reason_count ?? undefined,
    evidence: decodeEvidence(row.evidence),
  };
}

/** A step of a payment's history as a row to insert. */
export type NewStep = {
  readonly payment_id: number;
  readonly at_ms: number;
  readonly from_state: PaymentState | null;
  readonly to_state: PaymentState;
  readonly reason: string | null;
  readonly reason_count: number | null;
  readonly evidence: string;
};

export function newAttempt(batchId: BatchRow["id"], attempt: Attempt): Insertable<AttemptTable> {
  return {
    hash: attempt.hash,
    batch_id: batchId,
    raw: attempt.raw,
    gas: attempt.gas.toString(),
    max_fee_per_gas: attempt.maxFeePerGas.toString(),
    max_priority_fee_per_gas: attempt.maxPriorityFeePerGas.toString(),
    payment_ids: encodePaymentIds(attempt.paymentIds),
    kind: attempt.kind,
    router: attempt.router ?? null,
    created_at_ms: attempt.createdAtMs,
    broadcast_at_ms: attempt.broadcastAtMs ?? null,
  };
}

export function batchRow(batch: Selectable<BatchTable>, attempts: readonly Selectable<AttemptTable>[]): BatchRow {
  return {
    id: batch.id,
    chainId: batch.chain_id,
    sender: batch.sender,
    txNonce: batch.tx_nonce,
    state: batch.state,
    attempts: attempts.map(attemptRow),
    receipt: batch.receipt === null ? undefined : decodeReceipt(batch.receipt),
    createdAtMs: batch.created_at_ms,
  };
}

function attemptRow(row: Selectable<AttemptTable>): Attempt {
  return {
    hash: row.hash,
    raw: row.raw,
    gas: decodeInteger(row.gas),
    maxFeePerGas: decodeInteger(row.max_fee_per_gas),
    maxPriorityFeePerGas: decodeInteger(row.max_priority_fee_per_gas),
    paymentIds: decodePaymentIds(row.payment_ids),
    kind: row.kind,
    router: row.router ?? undefined,
    createdAtMs: row.created_at_ms,
    broadcastAtMs: row.broadcast_at_ms ?? undefined,
  };
}

/** The evidence of a payment that goes into a batch. */
export function batchEvidence(batchId: BatchRow["id"], transactionHash: Attempt["hash"]): Evidence {
  return { kind: "batch", batchId, transactionHash };
}

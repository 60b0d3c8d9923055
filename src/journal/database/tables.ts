import type { Generated } from "kysely";
import type { Address, Hex } from "viem";
import type { BatchKind, BatchState } from "../ports/batches.ts";
import type { ChannelEvent } from "../ports/ledger.ts";
import type { PaymentState } from "../ports/payments.ts";

// Integers beyond 2^53 are decimals in text columns; JSON columns are text too (see codec.ts).

export type PaymentTable = {
  readonly id: Generated<number>;
  readonly chain_id: number;
  readonly identity: string;
  readonly digest: Hex;
  readonly work: string;
  readonly deadline: string;
  /** The deadline as a number to sort by, at most 2^53 − 1. */
  readonly deadline_rank: number;
  readonly accepted_block: string;
  readonly source: string | null;
  readonly state: PaymentState;
  readonly reason: string | null;
  readonly reason_count: number | null;
  readonly evidence: string;
  readonly batch_id: Hex | null;
  readonly accepted_at_ms: number;
  readonly updated_at_ms: number;
  readonly tries: number;
  readonly next_try_at_ms: number;
  readonly picked_by: string | null;
  readonly picked_until_ms: number;
  readonly consumed_at_ms: number | null;
  readonly brought_by: string | null;
};

export type HistoryTable = {
  readonly id: Generated<number>;
  readonly payment_id: number;
  readonly at_ms: number;
  readonly from_state: PaymentState | null;
  readonly to_state: PaymentState;
  readonly reason: string | null;
  readonly reason_count: number | null;
  readonly evidence: string;
};

export type BatchTable = {
  readonly id: Hex;
  readonly chain_id: number;
  readonly sender: Address;
  readonly tx_nonce: number;
  readonly state: BatchState;
  readonly receipt: string | null;
  readonly created_at_ms: number;
};

export type AttemptTable = {
  readonly id: Generated<number>;
  readonly hash: Hex;
  readonly batch_id: Hex;
  readonly raw: Hex;
  readonly gas: string;
  readonly max_fee_per_gas: string;
  readonly max_priority_fee_per_gas: string;
  readonly payment_ids: string;
  readonly kind: BatchKind;
  readonly router: Address | null;
  readonly created_at_ms: number;
  readonly broadcast_at_ms: number | null;
};

export type LeaseTable = {
  readonly chain_id: number;
  readonly sender: Address;
  /** Null once the lease is given back. The row stays, so that the epoch only ever rises. */
  readonly owner: string | null;
  readonly epoch: number;
  readonly renewals: number;
  readonly ttl_ms: number;
  readonly host: string | null;
  readonly pid: number | null;
  /** By the database's clock, like the next. */
  readonly taken_at_ms: number;
  readonly renewed_at_ms: number;
};

export type StrikeTable = {
  readonly chain_id: number;
  readonly payer: Address;
  readonly strikes: number;
  readonly until_ms: number;
};

export type CursorTable = { readonly name: string; readonly value: string };

export type ResourceTable = { readonly key: string; readonly value: string; readonly updated_at_ms: number };

export type ChannelTable = {
  readonly channel_id: Hex;
  readonly chain_id: number;
  readonly version: number;
  readonly record: string;
  readonly claimed: string;
  readonly withdrawal: string | null;
  readonly fault: string | null;
  readonly is_deleted: number;
  readonly unclaimed_since_ms: number | null;
  readonly earning_day: number;
  readonly earning_base: string;
};

export type ChannelDayTable = {
  readonly id: Generated<number>;
  readonly chain_id: number;
  readonly channel_id: Hex;
  readonly payer: Address;
  readonly receiver: Address;
  readonly token: Address;
  readonly day: number;
  readonly amount: string;
};

export type ChannelEventTable = {
  readonly id: Generated<number>;
  readonly chain_id: number;
  readonly kind: ChannelEvent["kind"];
  readonly channel_id: Hex | null;
  readonly payer: Address | null;
  readonly receiver: Address;
  readonly token: Address;
  readonly amount: string;
  readonly transaction_hash: Hex;
  readonly log_index: number;
  readonly block_number: number;
  readonly block_timestamp: number;
};

export type ChannelReceiverTable = {
  readonly chain_id: number;
  readonly receiver: Address;
  readonly token: Address;
  readonly unswept: string;
  readonly unswept_since_ms: number | null;
};

export type KeeperCallTable = {
  readonly key: string;
  readonly chain_id: number;
  readonly state: "open" | "mined";
  readonly call: string;
  readonly created_at_ms: number;
};

export type SchemaVersionTable = { readonly version: number };

export type Tables = {
  readonly payments: PaymentTable;
  readonly history: HistoryTable;
  readonly batches: BatchTable;
  readonly attempts: AttemptTable;
  readonly leases: LeaseTable;
  readonly strikes: StrikeTable;
  readonly cursors: CursorTable;
  readonly resources: ResourceTable;
  readonly channels: ChannelTable;
  readonly channel_receivers: ChannelReceiverTable;
  readonly channel_days: ChannelDayTable;
  readonly channel_events: ChannelEventTable;
  readonly keeper_calls: KeeperCallTable;
  readonly schema_version: SchemaVersionTable;
};

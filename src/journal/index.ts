export { DEFAULT_JOURNAL_PATH, type JournalOptions, openJournal } from "./open.ts";
export type {
  Attempt,
  BatchJournal,
  BatchKind,
  BatchRow,
  BatchState,
  JournalConflict,
  NewBatch,
  ReceiptRow,
} from "./ports/batches.ts";
export type {
  ChannelChange,
  ChannelEarning,
  ChannelFault,
  ChannelJournal,
  ChannelReceiver,
  ChannelRecord,
  ChannelRow,
  ChannelWithdrawal,
} from "./ports/channels.ts";
export { isOutage, JournalError, type JournalErrorKind } from "./ports/errors.ts";
export type { Evidence, SettlementLevel } from "./ports/evidence.ts";
export type { Journal } from "./ports/journal.ts";
export type { KeeperCall } from "./ports/keeperCalls.ts";
export type { HeldLease, Lease, LeaseJournal, LeasePlace, SenderRow } from "./ports/leases.ts";
export type { ChannelDay, ChannelEvent, ChannelParties, LedgerJournal } from "./ports/ledger.ts";
export {
  type AuthorizationRow,
  type CallRow,
  EXCLUSIVE_STATES,
  type HistoryRow,
  type NewPayment,
  OPEN_STATES,
  type PaymentJournal,
  type PaymentRow,
  type PaymentState,
  type Transition,
} from "./ports/payments.ts";
export type { AuthorizationWork, CallWork, LogProof, Work } from "./ports/work.ts";

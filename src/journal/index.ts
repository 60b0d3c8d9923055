export { DEFAULT_JOURNAL_PATH, type JournalOptions, openJournal } from "./open.ts";
export type {
  ChannelChange,
  ChannelEarning,
  ChannelFault,
  ChannelJournal,
  ChannelReceiver,
  ChannelRecord,
  ChannelRow,
  ChannelWithdrawal,
  KeeperCall,
} from "./ports/channelTypes.ts";
export { isOutage, JournalError, type JournalErrorKind } from "./ports/errors.ts";
export type { ChannelDay, ChannelEvent, ChannelParties, LedgerJournal } from "./ports/ledgerTypes.ts";
export {
  type Attempt,
  type BatchKind,
  type BatchRow,
  type BatchState,
  CLAIMING_STATES,
  type Evidence,
  type HeldLease,
  type HistoryRow,
  type Journal,
  type JournalConflict,
  type Lease,
  type LeasePlace,
  type NewBatch,
  type NewPayment,
  OPEN_STATES,
  type PaymentRow,
  type PaymentState,
  type ReceiptRow,
  type SenderRow,
  type SettlementLevel,
  type Transition,
  type Work,
} from "./ports/types.ts";

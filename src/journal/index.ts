export { DEFAULT_STORE_PATH, openStore, type StoreOptions } from "./open.ts";
export type {
  ChannelChange,
  ChannelEarning,
  ChannelFault,
  ChannelReceiver,
  ChannelRecord,
  ChannelRow,
  ChannelStore,
  ChannelWithdrawal,
  KeeperCall,
} from "./ports/channelTypes.ts";
export { isOutage, StoreError, type StoreErrorKind } from "./ports/errors.ts";
export type { ChannelDay, ChannelEvent, ChannelParties, LedgerStore } from "./ports/ledgerTypes.ts";
export {
  type Attempt,
  type BatchKind,
  type BatchRow,
  type BatchState,
  CLAIMING_STATES,
  type Evidence,
  type HeldLease,
  type HistoryRow,
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
  type Store,
  type StoreConflict,
  type Transition,
  type Work,
} from "./ports/types.ts";

export type {
  ChannelChange,
  ChannelFault,
  ChannelReceiver,
  ChannelRecord,
  ChannelRow,
  ChannelStore,
  ChannelWithdrawal,
  KeeperCall,
} from "./channelTypes.ts";
export { StoreError, type StoreErrorKind } from "./errors.ts";
export { DEFAULT_STORE_PATH, openStore, type StoreOptions } from "./open.ts";
export {
  type Attempt,
  type BatchKind,
  type BatchRow,
  type BatchState,
  CLAIMING_STATES,
  type Evidence,
  type HistoryRow,
  type Lease,
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
} from "./types.ts";

// What `import … from "tributary/settlement"` gives: jobs, the engine and its journal, and reports about what they did.
export type { Head } from "../chain/facts/facts.ts";
export type { FeeBounds } from "../chain/fees/fees.ts";
export type { Clock } from "../clock.ts";
export type { BatchPrice } from "../fees/index.ts";
export {
  type Attempt,
  type AuthorizationRow,
  type AuthorizationWork,
  type BatchJournal,
  type BatchKind,
  type BatchRow,
  type BatchState,
  type CallRow,
  type CallWork,
  type ChannelChange,
  type ChannelDay,
  type ChannelEarning,
  type ChannelEvent,
  type ChannelFault,
  type ChannelJournal,
  type ChannelParties,
  type ChannelReceiver,
  type ChannelRecord,
  type ChannelRow,
  type ChannelWithdrawal,
  DEFAULT_JOURNAL_PATH,
  type Evidence,
  type HeldLease,
  type HistoryRow,
  type Journal,
  type JournalConflict,
  JournalError,
  type JournalErrorKind,
  type JournalOptions,
  type KeeperCall,
  type Lease,
  type LeaseJournal,
  type LeasePlace,
  type LedgerJournal,
  type LogProof,
  type NewBatch,
  type NewPayment,
  OPEN_STATES,
  openJournal,
  type PaymentJournal,
  type PaymentRow,
  type PaymentState,
  type ReceiptRow,
  type SenderRow,
  type SettlementLevel,
  type Transition,
  type Work,
} from "../journal/index.ts";
export type { Logger } from "../logger.ts";
export type { Reason, RejectionReason } from "../reasons.ts";
export { EngineBusyError, EngineClosedError, SenderHeldError } from "./engine/errors.ts";
export { type StartEngineOptions, startEngine } from "./engine/start.ts";
export type { KeyWait } from "./engine/takeKeys.ts";
export type { SettlementEngine } from "./engine/types.ts";
export {
  type Admission,
  CallKeyError,
  type CallSubmission,
  type Submission,
} from "./intake/admit.ts";
export {
  type JobOptions,
  type JobProgress,
  type JobStop,
  type SettlementReport,
  settlePayments,
} from "./job/job.ts";
export {
  type CancelAnswer,
  cancelPayment,
  type PaymentRequest,
  type RejectedRequest,
  type RetryAnswer,
  retryPayment,
  retryRejected,
} from "./job/requests.ts";
export { serialiseResult } from "./job/results.ts";
export { type SettlementSummary, summarise, type Tally } from "./job/summary.ts";
export type { MinedTransaction } from "./job/transactions.ts";
export {
  WatchError,
  type WatchOptions,
  type WatchOutcome,
  type WatchProblem,
  type WatchRefusal,
  type WatchResult,
  type WatchStanding,
  type WatchStatus,
} from "./job/watch/types.ts";
export { watchPayments } from "./job/watch/watch.ts";
export type { JobPayment, PaymentOutcome, PaymentResult } from "./outcome/results.ts";
export {
  DEFAULT_ENGINE_POLICY,
  type EnginePolicy,
  EnginePolicyError,
  type EnginePolicyOptions,
} from "./policy.ts";
export { type AttemptFate, attemptsOf, readAttempts, type TransactionAttempt } from "./reports/attempts.ts";
export * from "./reports/earnings/index.ts";
export {
  type InspectedBatch,
  type InspectedItem,
  type Inspection,
  type InspectOptions,
  inspectSettlement,
} from "./reports/inspect.ts";
export {
  type QuotedBatch,
  type QuoteOptions,
  type QuoteTotal,
  quoteSettlement,
  type SettlementQuote,
} from "./reports/quote.ts";
export type { ChannelDifference, ChannelReconciliation, ReceiverState } from "./reports/reconcile/channels.ts";
export type { Party, Side } from "./reports/reconcile/ledger.ts";
export {
  type Difference,
  type ReconcileOptions,
  type Reconciliation,
  reconcile,
} from "./reports/reconcile/reconcile.ts";
export {
  createStatementTotals,
  readStatement,
  type StatementKind,
  type StatementLine,
  type StatementOptions,
  type StatementTotals,
} from "./reports/statement.ts";

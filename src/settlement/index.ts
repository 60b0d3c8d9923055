export { batchIdOf } from "./batchId.ts";
export {
  type JobJournal,
  type JobOptions,
  type JobPayment,
  type JobProgress,
  type SettlementReport,
  settlePayments,
} from "./job.ts";
export { appendJournal, JournalError, openJournal, readJournal, type SentTransaction } from "./journal.ts";
export type { PaymentOutcome, PaymentResult, RejectionReason } from "./outcome.ts";
export { type PreparedSettlement, prepareSettlement, type SettlementPolicy } from "./prepare.ts";
export { type MinedTransaction, readSettlement } from "./read.ts";
export { type RefusedLine, serialiseRefusedLine, serialiseResult } from "./results.ts";
export { type SettlementSummary, summarise, type Tally } from "./summary.ts";

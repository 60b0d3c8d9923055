export { batchIdOf } from "./batchId.ts";
export {
  type InspectedBatch,
  type InspectedItem,
  type Inspection,
  inspectSettlement,
} from "./inspect.ts";
export {
  type JobJournal,
  type JobOptions,
  type JobProgress,
  type SettlementReport,
  settlePayments,
} from "./job.ts";
export { appendJournal, JournalError, openJournal, readJournal, type SentTransaction } from "./journal.ts";
export type { PaymentOutcome, PaymentResult, RejectionReason } from "./outcome.ts";
export { type PreparedSettlement, prepareSettlement, type SettlementPolicy } from "./prepare.ts";
export {
  type QuotedBatch,
  type QuoteOptions,
  type QuoteTotal,
  quoteSettlement,
  type SettlementQuote,
} from "./quote.ts";
export { type MinedTransaction, readSettlement } from "./read.ts";
export { type RefusedLine, serialiseRefusedLine, serialiseResult } from "./results.ts";
export type { JobPayment } from "./sortOut.ts";
export { type SettlementSummary, summarise, type Tally } from "./summary.ts";

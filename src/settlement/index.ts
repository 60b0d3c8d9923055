export * from "../journal/index.ts";
export {
  createSettlementEngine,
  EngineBusyError,
  EngineClosedError,
  type EngineOptions,
  SenderHeldError,
  type SettlementEngine,
} from "./engine/engine.ts";
export { startEngine } from "./engine/start.ts";
export type { KeyWait, Patience } from "./engine/takeKeys.ts";
export {
  type Admission,
  type AdmissionRefusal,
  CallKeyError,
  type CallSubmission,
  type Submission,
} from "./intake/admit.ts";
export { retryRuleOfReason } from "./intake/retryRequest.ts";
export {
  type JobOptions,
  type JobProgress,
  type JobStop,
  type SettlementReport,
  settlePayments,
} from "./job/job.ts";
export { type RefusedLine, serialiseRefusedLine, serialiseResult } from "./job/results.ts";
export { type SettlementSummary, summarise, type Tally } from "./job/summary.ts";
export type { MinedTransaction } from "./job/transactions.ts";
export type { JobPayment, PaymentOutcome, PaymentResult, RejectionReason } from "./outcome/results.ts";
export { type RetryRule, retryRuleOfState } from "./outcome/retry.ts";
export { DEFAULT_POLICY, type EnginePolicy, EnginePolicyError, type EnginePolicyOptions } from "./policy.ts";
export { type AttemptFate, attemptsOf, readAttempts, type TransactionAttempt } from "./reports/attempts.ts";
export * from "./reports/earnings/index.ts";
export {
  type InspectedBatch,
  type InspectedItem,
  type Inspection,
  inspectSettlement,
} from "./reports/inspect.ts";
export {
  type QuotedBatch,
  type QuoteOptions,
  type QuoteTotal,
  quoteSettlement,
  type SettlementQuote,
} from "./reports/quote.ts";
export type { FeePolicy } from "./sending/fees.ts";

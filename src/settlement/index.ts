export * from "../journal/index.ts";
export { type AttemptFate, attemptsOf, readAttempts, type TransactionAttempt } from "./attempts.ts";
export * from "./earnings/index.ts";
export {
  createSettlementEngine,
  EngineBusyError,
  EngineClosedError,
  type EngineOptions,
  SenderHeldError,
  type SettlementEngine,
} from "./engine.ts";
export {
  type InspectedBatch,
  type InspectedItem,
  type Inspection,
  inspectSettlement,
} from "./inspect.ts";
export {
  type Admission,
  type AdmissionRefusal,
  CallKeyError,
  type CallSubmission,
  type Submission,
} from "./intake.ts";
export {
  type JobOptions,
  type JobProgress,
  type JobStop,
  type SettlementReport,
  settlePayments,
} from "./job.ts";
export type { MinedTransaction } from "./jobTransactions.ts";
export type { JobPayment, PaymentOutcome, PaymentResult, RejectionReason } from "./outcome.ts";
export { DEFAULT_POLICY, type EnginePolicy, EnginePolicyError, type EnginePolicyOptions } from "./policy.ts";
export {
  type QuotedBatch,
  type QuoteOptions,
  type QuoteTotal,
  quoteSettlement,
  type SettlementQuote,
} from "./quote.ts";
export { type RefusedLine, serialiseRefusedLine, serialiseResult } from "./results.ts";
export { type RetryRule, retryRuleOfState } from "./retry.ts";
export { retryRuleOfReason } from "./retryRequest.ts";
export type { FeePolicy } from "./sending/fees.ts";
export { startEngine } from "./startEngine.ts";
export { type SettlementSummary, summarise, type Tally } from "./summary.ts";
export type { KeyWait, Patience } from "./takeKeys.ts";

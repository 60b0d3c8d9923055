export { decodeSettle } from "./decode.ts";
export { encodeSettle } from "./encode.ts";
export { RouterDecodingError, RouterEncodingError } from "./errors.ts";
export { type ItemOutcome, type OutcomeReceipt, readBatchOutcomes, readDirectOutcome } from "./outcome.ts";
export { decodeRefusal, type Refusal, type RefusalReason } from "./reason.ts";
export {
  fitsCompact,
  MAX_SIGNATURE_BYTES,
  type RouterItem,
  type SettleCall,
} from "./wire.ts";

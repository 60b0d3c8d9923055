export { decodeBatch, decodeSettle } from "./decode.ts";
export { encodeBatch, encodeSettle } from "./encode.ts";
export { RouterDecodingError, RouterEncodingError } from "./errors.ts";
export { type ItemOutcome, type OutcomeReceipt, readBatchOutcomes, readDirectOutcome } from "./outcome.ts";
export { decodeRefusal, type Refusal, type RefusalReason } from "./reason.ts";
export {
  fitsCompact,
  MAX_ITEMS,
  MAX_PAYEES,
  MAX_SIGNATURE_BYTES,
  ROUTER_RESERVE_GAS,
  type RouterItem,
  type SettleCall,
} from "./wire.ts";

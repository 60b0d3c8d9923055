// Channels of x402's scheme `batch-settlement` on EVM, as pure data: addresses, terms, EIP-712 hashes.
export {
  BATCH_SETTLEMENT_ADDRESS,
  ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
  MAX_WITHDRAW_DELAY_SECONDS,
  MIN_WITHDRAW_DELAY_SECONDS,
} from "./addresses.ts";
export {
  type ChannelCost,
  type CompareOptions,
  type CompareReason,
  type Comparison,
  compareWays,
  type TrafficProfile,
  TrafficProfileError,
  type Way,
  type WayCost,
} from "./compare.ts";
export {
  channelIdOf,
  claimBatchTypedData,
  depositNonce,
  encodeDepositAuthorization,
  refundTypedData,
  voucherTypedData,
} from "./typedData.ts";
export type { ChannelConfig, ChannelState, VoucherClaim } from "./types.ts";

// Channels of x402's scheme `batch-settlement` on EVM, as pure data: addresses, terms, EIP-712 hashes.
export {
  BATCH_SETTLEMENT_ADDRESS,
  ERC3009_DEPOSIT_COLLECTOR_ADDRESS,
  MAX_WITHDRAW_DELAY_SECONDS,
  MIN_WITHDRAW_DELAY_SECONDS,
  PERMIT2_DEPOSIT_COLLECTOR_ADDRESS,
} from "./addresses.ts";
export {
  type ChannelCost,
  CLIENT_DEPOSIT_MULTIPLIER,
  type CompareOptions,
  type CompareReason,
  type Comparison,
  compareWays,
  SERVER_DEPOSIT_MULTIPLIER,
  type TrafficProfile,
  TrafficProfileError,
  type Way,
  type WayCost,
} from "./compare.ts";
export {
  channelDomain,
  channelIdOf,
  channelTypes,
  claimBatchTypedData,
  depositNonce,
  encodeDepositAuthorization,
  refundTypedData,
  voucherTypedData,
} from "./typedData.ts";
export type { ChannelConfig, ChannelState, Voucher, VoucherClaim } from "./types.ts";

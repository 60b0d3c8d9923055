// The exports of "tributary": authorizations, planning, the router's wire format, and the few calls to a node that a
// settlement needs. Nothing here loads Hardhat, and all of it runs on Node 20.
export {
  type AuthorizationIdentity,
  authorizationId,
} from "./authorization/identity.ts";
export { AuthorizationInputError } from "./authorization/inputError.ts";
export { type LineResult, readAuthorizations } from "./authorization/lines.ts";
export {
  type AuthorizationFormat,
  type ParseContext,
  type ParsedAuthorization,
  parseAuthorization,
} from "./authorization/parse.ts";
export { serialiseAuthorization } from "./authorization/serialise.ts";
export {
  type AuthorizationSigner,
  randomNonce,
  type SignAuthorizationOptions,
  SignerMismatchError,
  signAuthorization,
} from "./authorization/sign.ts";
export { authorizationTypedData, hashAuthorization } from "./authorization/typedData.ts";
export type { Authorization, SignedAuthorization } from "./authorization/types.ts";
export { type OfflineVerdict, verifySignatureOffline } from "./authorization/verify.ts";
export {
  type Balances,
  DEFAULT_LIMITS,
  type DeferredPayment,
  type DroppedPayment,
  type DropReason,
  type Plan,
  type PlanInput,
  type PlanLimits,
  PlanLimitsError,
  type PlannablePayment,
  type PlannedBatch,
  planBatches,
  type TokenKey,
  tokenKey,
} from "./batch/index.ts";
export { type ChainClient, type ConnectOptions, connectChain } from "./chain/client.ts";
export { ChainMismatchError, ChainUnavailableError, TransactionRefusedError } from "./chain/errors.ts";
export { type RouterCode, readRouterCode } from "./chain/facts/routerCode.ts";
export {
  type ChainVerdict,
  type EcdsaDefect,
  type Erc1271Defect,
  type VerifyOnChainOptions,
  verifySignatureOnChain,
} from "./chain/facts/verify.ts";
export { readDataFeeInputs } from "./chain/fees/dataFee.ts";
export {
  BATCH_SETTLEMENT_ADDRESS,
  type ChannelConfig,
  type ChannelCost,
  type CompareOptions,
  type CompareReason,
  type Comparison,
  channelIdOf,
  compareWays,
  type TrafficProfile,
  TrafficProfileError,
  voucherTypedData,
  type Way,
  type WayCost,
} from "./channels/index.ts";
export type { Clock } from "./clock.ts";
export { ROUTER_ADDRESS, ROUTER_SALT } from "./deployment.ts";
export { TributaryError } from "./errors.ts";
export type { DataFeeInputs } from "./fees/index.ts";
export {
  type ChannelGas,
  CIRCLE_USDC_GAS,
  type GasModel,
  type GasPrediction,
  MOCK_USDC_GAS,
  ROUTER_GAS,
  type RouterGas,
  type TokenGas,
} from "./gas/index.ts";
export type { Logger } from "./logger.ts";
export { AmountError, formatAmount, parseAmount } from "./money.ts";
export {
  findNetwork,
  knownTokenDomain,
  type Network,
  networkOf,
  networks,
  type TokenDomain,
  UnknownNetworkError,
} from "./networks.ts";
export {
  decodeRefusal,
  decodeSettle,
  encodeSettle,
  type ItemOutcome,
  type OutcomeReceipt,
  type Refusal,
  type RefusalReason,
  RouterDecodingError,
  RouterEncodingError,
  type RouterItem,
  readBatchOutcomes,
  readDirectOutcome,
  type SettleCall,
} from "./router/index.ts";

export { type BalanceKnowledge, balanceAfter } from "./balances.ts";
export { directCalldata, itemBytes, ROUTER_CALL_BYTES, routerCalldata } from "./calldata.ts";
export {
  CANONICAL_CHANNEL_GAS,
  type ChannelGas,
  claimGas,
  depositGas,
  MOCK_CHANNEL_GAS,
} from "./channels.ts";
export {
  CIRCLE_USDC_GAS,
  type GasModel,
  MOCK_USDC_GAS,
  ROUTER_GAS,
  type RouterGas,
  type TokenGas,
} from "./constants.ts";
export { byteLength, type CalldataBytes, countBytes, gasLimitFor, MAX_TRANSACTION_GAS } from "./evm.ts";
export {
  balanceDeltas,
  type GasItem,
  type GasPrediction,
  predictDirectGas,
  predictRouterGas,
} from "./predict.ts";
export { itemDemandGas, openingGas, worstCodeItemGas, worstItemGas } from "./worst.ts";

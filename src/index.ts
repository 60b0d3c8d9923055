// What `import … from "tributary"` gives: authorizations, planning, the router's wire format, the gas model, and the few
// calls to a node that a settlement needs. Nothing here loads Hardhat, and all of it runs on Node 20.
export * from "./authorization/index.ts";
export * from "./batch/index.ts";
export { type ChainClient, connectChain } from "./chain/client.ts";
export * from "./chain/errors.ts";
export { type RouterCode, readRouterCode } from "./chain/facts/routerCode.ts";
export { type ChainVerdict, type VerifyOnChainOptions, verifySignatureOnChain } from "./chain/facts/verify.ts";
export { readDataFeeInputs } from "./chain/fees/dataFee.ts";
export * from "./channels/index.ts";
export {
  CREATE_X_ADDRESS,
  computeRouterAddress,
  ROUTER_ADDRESS,
  ROUTER_INIT_CODE_HASH,
  ROUTER_SALT,
} from "./deployment.ts";
export { TributaryError } from "./errors.ts";
export type { DataFeeInputs } from "./fees/index.ts";
export * from "./gas/index.ts";
export { AmountError, formatAmount, parseAmount, parseAtomic } from "./money.ts";
export { findNetwork, knownTokenDomain, type Network, networkOf, networks, UnknownNetworkError } from "./networks.ts";
export * from "./router/index.ts";
// Two modules bound a signature by the same number under the same name: say which one is meant.
export { MAX_SIGNATURE_BYTES } from "./router/index.ts";

// What `import … from "tributary/facilitator"` gives: an x402 facilitator whose settlements share transactions.
export type { Clock } from "../clock.ts";
export { AddressRangeError } from "../http/addresses.ts";
export { ListenError } from "../http/listen.ts";
export type { ConnectionBounds } from "../http/server.ts";
export { type Journal, type JournalOptions, openJournal } from "../journal/index.ts";
export type { Logger } from "../logger.ts";
export type { EnginePolicyOptions } from "../settlement/policy.ts";
export { DEFAULT_FACILITATOR_POLICY, type FacilitatorPolicy } from "./admission/policy.ts";
export type { RateLimit } from "./callers/limit.ts";
export { type Merchant, MerchantsError, parseMerchantKeys, parseMerchants } from "./callers/merchants.ts";
export { type ChannelSchemeOptions, createChannelScheme } from "./channels/scheme.ts";
export type { BatchPlace } from "./exact/place.ts";
export { createFacilitator, type Facilitator, type FacilitatorOptions } from "./facilitator.ts";
export { createJsonLogger, type LogLevel } from "./health/log.ts";
export { CallNotSentError, createEngineSigner, type EngineSignerOptions } from "./node/signer.ts";
export { createSharedExactSchemes, type SharedExactSchemes } from "./schemes.ts";
export { type Served, type ServeOptions, serveFacilitator } from "./serve.ts";
export { PublicUrlError } from "./wire/statusUrl.ts";

// What `import … from "tributary/keeper"` gives: a merchant's side of x402 channels (scheme batch-settlement).
export type { KeeperActivity } from "./activity.ts";
export type { AuthorizerKey } from "./authority.ts";
export type { BadVoucher } from "./compose.ts";
export { ChannelError } from "./errors.ts";
export { createChannelKeeper } from "./keeper.ts";
export { createKeeperMetrics, type KeeperMetrics } from "./metrics.ts";
export { DEFAULT_KEEPER_POLICY, type KeeperPolicy, KeeperPolicyError } from "./policy.ts";
export type { RefundResult } from "./refund.ts";
export { type ChannelStorageOptions, createChannelStorage } from "./storage.ts";
export type { ChannelKeeper, ClaimReport, KeeperAlert, KeeperOptions, KeeperStatus, SweepReport } from "./types.ts";
export { quickenVouchers } from "./vouchers.ts";
export type { KeeperWaiting } from "./waiting.ts";

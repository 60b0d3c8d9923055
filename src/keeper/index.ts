// The exports of "tributary/keeper": a merchant's side of x402 channels (scheme batch-settlement).
export type { Clock } from "../clock.ts";
export type { Logger } from "../logger.ts";
export type { KeeperAlert } from "./alerts.ts";
export type { KeeperActivity } from "./calls/activity.ts";
export type { AuthorizerKey } from "./calls/authority.ts";
export type { BadVoucher } from "./calls/compose.ts";
export type { RefundResult } from "./calls/refund.ts";
export { ChannelError } from "./channels/errors.ts";
export { type ChannelStorageOptions, createChannelStorage } from "./channels/storage.ts";
export { quickenVouchers } from "./channels/vouchers.ts";
export { DEFAULT_KEEPER_POLICY, type KeeperPolicy, KeeperPolicyError } from "./due/policy.ts";
export type { KeeperWaiting } from "./due/waiting.ts";
export { createChannelKeeper } from "./keeper.ts";
export { createKeeperMetrics, type KeeperMetrics } from "./metrics.ts";
export type { ChannelKeeper, ClaimReport, KeeperOptions, KeeperStatus, SweepReport } from "./types.ts";

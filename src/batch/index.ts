export { toRouterItem } from "./form.ts";
export { DEFAULT_LIMITS, PlanLimitsError } from "./limits.ts";
export { planBatches } from "./plan.ts";
export {
  type Balances,
  type DeferredPayment,
  type DroppedPayment,
  type DropReason,
  type Plan,
  type PlanInput,
  type PlanLimits,
  type PlannablePayment,
  type PlannedBatch,
  type TokenKey,
  tokenKey,
} from "./types.ts";

export { formOf, isCodePayer, overloadOf, toRouterItem } from "./form.ts";
export { DEFAULT_LIMITS, MAX_BATCH_ITEMS, PlanLimitsError } from "./limits.ts";
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

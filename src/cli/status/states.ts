import type { PaymentState } from "../../journal/index.ts";

/** Every state, in the order of a payment's life. */
export const STATES: readonly PaymentState[] = [
  "queued",
  "batched",
  "submitted",
  "settled",
  "settled-elsewhere",
  "already-used",
  "rejected",
  "expired",
  "cancelled",
];

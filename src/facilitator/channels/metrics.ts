import type { SchemeNetworkFacilitator } from "@x402/core/types";
import { Counter, Histogram, type Registry } from "prom-client";
import type { Clock } from "../../clock.ts";
import { REASON } from "../wire/reasons.ts";

/** The kinds of requests in the scheme batch-settlement. Any other kind counts as `other`. */
const KINDS: ReadonlySet<unknown> = new Set(["deposit", "voucher", "claim", "settle", "refund"]);

/**
 * Counts and times the scheme batch-settlement for Prometheus. Requests that fail because the node does not answer do not count.
 */
export function createChannelMetrics(registers: Registry[], buckets: number[]) {
  const verifications = new Counter({
    name: "tributary_channel_verifications_total",
    help: "Payloads of batch-settlement verified, by kind and result",
    labelNames: ["kind", "result"],
    registers,
  });
  const settlements = new Counter({
    name: "tributary_channel_settlements_total",
    help: "Settlements of batch-settlement answered, by kind, outcome and reason",
    labelNames: ["kind", "outcome", "reason"],
    registers,
  });
  const verifySeconds = new Histogram({
    name: "tributary_channel_verify_seconds",
    help: "Time to answer /verify of batch-settlement",
    labelNames: ["kind"],
    buckets,
    registers,
  });
  const settleSeconds = new Histogram({
    name: "tributary_channel_settle_seconds",
    help: "Time to answer /settle of batch-settlement",
    labelNames: ["kind", "outcome"],
    buckets,
    registers,
  });

  return {
    measured: (scheme: SchemeNetworkFacilitator, clock: Clock): SchemeNetworkFacilitator => ({
      ...scheme,
      verify: async (payment, requirements, context) => {
        const startedMs = clock.now();
        const answer = await scheme.verify(payment, requirements, context);
        const kind = kindOf(payment.payload.type);
        verifications.inc({ kind, result: answer.isValid ? "valid" : (answer.invalidReason ?? "") });
        verifySeconds.observe({ kind }, (clock.now() - startedMs) / 1000);
        return answer;
      },
      settle: async (payment, requirements, context) => {
        const startedMs = clock.now();
        const answer = await scheme.settle(payment, requirements, context);
        const kind = kindOf(payment.payload.type);
        const { success, errorReason: reason = "" } = answer;
        const outcome = success ? "settled" : reason === REASON.pending ? "pending" : "failed";
        settlements.inc({ kind, outcome, reason: outcome === "failed" ? reason : "" });
        settleSeconds.observe({ kind, outcome }, (clock.now() - startedMs) / 1000);
        return answer;
      },
    }),
  };
}

function kindOf(type: unknown): string {
  return KINDS.has(type) ? String(type) : "other";
}

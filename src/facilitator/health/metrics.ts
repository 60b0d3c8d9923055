import { Counter, Gauge, Histogram, Registry } from "prom-client";
import type { ChainClient } from "../../chain/client.ts";
import type { Clock } from "../../clock.ts";
import type { Journal } from "../../journal/ports/journal.ts";
import type { SettlementEngine } from "../../settlement/engine/types.ts";
import type { CapacityView } from "../admission/capacity.ts";
import { createChannelMetrics } from "../channels/metrics.ts";
import type { Settlement } from "../exact/settle.ts";
import type { Verdict } from "../exact/verdict.ts";
import type { Endpoint } from "../wire/request.ts";
import { sharedLook } from "./shared.ts";

/** What a facilitator counts, for Prometheus. */
export type FacilitatorMetrics = {
  readonly verified: (version: 1 | 2, verdict: Verdict, seconds: number) => void;
  readonly settled: (version: 1 | 2, settlement: Settlement, seconds: number) => void;
  readonly refused: (path: string, status: number) => void;
  /** Counts a request that was refused because it would not have been answered in time. */
  readonly shed: (endpoint: Endpoint) => void;
  readonly channels: ReturnType<typeof createChannelMetrics>;
  /** Renders the text format. Gauges are read at this moment. */
  readonly render: () => Promise<{ readonly contentType: string; readonly body: string }>;
};

const SECONDS = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 4.5, 7, 15, 30, 60];
/** How many batches are remembered as counted. A batch that is forgotten too early is counted twice, which is harmless. */
const REMEMBERED = 1_000;
/** How long a scrape waits for the journal. After that, the rest is rendered without it. */
const COUNT_WITHIN_MS = 3_000;

export function createMetrics(port: {
  readonly engine: SettlementEngine;
  readonly journal: Journal;
  readonly client: ChainClient;
  readonly load: () => CapacityView;
  readonly clock: Clock;
}): FacilitatorMetrics {
  const registers = [new Registry()];
  const [registry] = registers;
  const verifications = new Counter({
    name: "tributary_verifications_total",
    help: "Payments verified, by result",
    labelNames: ["version", "result"],
    registers,
  });
  const settlements = new Counter({
    name: "tributary_settlements_total",
    help: "Settlements answered, by outcome and reason",
    labelNames: ["version", "outcome", "reason"],
    registers,
  });
  const refusals = new Counter({
    name: "tributary_refused_requests_total",
    help: "Requests that were not read: malformed, too large, too many, or while stopping",
    labelNames: ["path", "status"],
    registers,
  });
  const sheds = new Counter({
    name: "tributary_shed_total",
    help: "Requests refused because they would not have been answered in time",
    labelNames: ["endpoint"],
    registers,
  });
  const inside = new Gauge({
    name: "tributary_inside",
    help: "Requests that were let in and are not answered yet",
    labelNames: ["endpoint"],
    registers,
  });
  const projectedDelay = new Gauge({
    name: "tributary_projected_delay_seconds",
    help: "Expected time of a settlement that came now",
    registers,
  });
  const serviceRate = new Gauge({
    name: "tributary_service_rate",
    help: "Settlements a second that this machine and its chain do, as measured under load",
    registers,
  });
  const verifySeconds = new Histogram({
    name: "tributary_verify_seconds",
    help: "Time to answer /verify",
    buckets: SECONDS,
    registers,
  });
  const settleSeconds = new Histogram({
    name: "tributary_settle_seconds",
    help: "Time to answer /settle",
    labelNames: ["outcome"],
    buckets: SECONDS,
    registers,
  });
  const batchSize = new Histogram({
    name: "tributary_batch_payments",
    help: "Payments in one transaction",
    buckets: [1, 2, 5, 10, 20, 50, 100, 200, 400],
    registers,
  });
  const gasPerPayment = new Histogram({
    name: "tributary_payment_gas",
    help: "Gas of a settled payment: its part of its transaction",
    buckets: [30_000, 40_000, 50_000, 60_000, 80_000, 100_000, 150_000, 300_000],
    registers,
  });
  const payments = new Gauge({
    name: "tributary_journal_payments",
    help: "Payments in the journal, by state",
    labelNames: ["state"],
    registers,
  });
  const queueDepth = new Gauge({
    name: "tributary_queue_payments",
    help: "Payments that wait for a transaction",
    registers,
  });
  const paymentsInFlight = new Gauge({
    name: "tributary_payments_in_flight",
    help: "Payments in transactions that wait for a block",
    registers,
  });
  const inFlight = new Gauge({
    name: "tributary_batches_in_flight",
    help: "Transactions of a key that wait for a block",
    labelNames: ["sender"],
    registers,
  });
  const stepBatches = new Gauge({
    name: "tributary_step_batches",
    help: "Transactions since the start that were sent in time for a block, by whether they were mined in it or later",
    labelNames: ["mined"],
    registers,
  });
  const blockPeriod = new Gauge({
    name: "tributary_block_period_seconds",
    help: "Time between blocks; NaN as long as they come irregularly, so that nothing is sent in step with them",
    registers,
  });
  const blockMargin = new Gauge({
    name: "tributary_block_margin_seconds",
    help: "How long before a block is due its transactions are made",
    registers,
  });
  const preconfirmations = new Gauge({
    name: "tributary_preconfirmations",
    help: "Preconfirmations of payments since the start: seen, taken back, and taken back after the success was told",
    labelNames: ["what"],
    registers,
  });
  const balance = new Gauge({
    name: "tributary_sender_balance_ether",
    help: "Ether of a sending key, for gas",
    labelNames: ["sender"],
    registers,
  });
  const paused = new Gauge({
    name: "tributary_sender_paused",
    help: "1 for a key that does not send now, with the reason",
    labelNames: ["sender", "reason"],
    registers,
  });
  const journalUp = new Gauge({
    name: "tributary_journal_up",
    help: "Whether the journal answers and its last write succeeded",
    registers,
  });
  const seen = new Set<string>();
  const counted = sharedLook(port.clock, { everyMs: 0, withinMs: COUNT_WITHIN_MS }, undefined, () =>
    port.journal.count(port.client.chain.id).catch(() => undefined),
  );

  return {
    channels: createChannelMetrics(registers, SECONDS),
    verified: (version, verdict, seconds) => {
      verifications.inc({ version, result: verdict.isValid ? "valid" : verdict.reason });
      verifySeconds.observe(seconds);
    },
    settled: (version, settlement, seconds) => {
      const { status } = settlement;
      settlements.inc({ version, outcome: status, reason: status === "failed" ? settlement.reason : "" });
      settleSeconds.observe({ outcome: status }, seconds);
      if (status !== "settled") return;
      const { place, row } = settlement;
      if (row.evidence.kind === "transfer") gasPerPayment.observe(Number(row.evidence.gasShare));
      if (place === undefined || seen.has(place.id)) return;
      seen.add(place.id);
      batchSize.observe(place.size);
      const [oldest] = seen;
      if (seen.size > REMEMBERED && oldest !== undefined) seen.delete(oldest);
    },
    refused: (path, status) => refusals.inc({ path, status }),
    shed: (endpoint) => sheds.inc({ endpoint }),
    render: async () => {
      const load = port.load();
      for (const endpoint of ["verify", "settle"] as const) inside.set({ endpoint }, load.inside[endpoint]);
      projectedDelay.set(load.delayMs / 1000);
      serviceRate.set(load.perSecond);
      const counts = await counted();
      journalUp.set(counts === undefined || port.journal.fault() !== undefined ? 0 : 1);
      payments.reset();
      for (const [state, count] of Object.entries(counts ?? {})) payments.set({ state }, count);
      queueDepth.set(counts === undefined ? Number.NaN : (counts.queued ?? 0));
      paymentsInFlight.set(counts === undefined ? Number.NaN : (counts.batched ?? 0) + (counts.submitted ?? 0));
      const step = port.engine.cutOff();
      stepBatches.set({ mined: "in time" }, step.inTime);
      stepBatches.set({ mined: "late" }, step.late);
      const word = port.engine.preconfirmations();
      preconfirmations.set({ what: "seen" }, word?.seen ?? 0);
      preconfirmations.set({ what: "taken back" }, word?.takenBack ?? 0);
      preconfirmations.set({ what: "taken back after telling" }, word?.toldTakenBack ?? 0);
      blockPeriod.set(step.periodMs === undefined ? Number.NaN : step.periodMs / 1000);
      blockMargin.set(step.marginMs / 1000);
      paused.reset();
      await Promise.all(
        port.engine.accounts().map(async ({ address, openBatches, paused: reason }) => {
          inFlight.set({ sender: address }, openBatches);
          if (reason !== undefined) paused.set({ sender: address, reason }, 1);
          const wei = await port.client.getBalance({ address }).catch(() => undefined);
          if (wei !== undefined) balance.set({ sender: address }, Number(wei / 10n ** 9n) / 1e9);
        }),
      );
      return { contentType: registry?.contentType ?? "text/plain", body: (await registry?.metrics()) ?? "" };
    },
  };
}

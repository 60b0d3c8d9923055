// Tributary where it takes 200 ms until something is known of a transaction: blocks of 2 s that are preconfirmed in steps
// (Flashblocks), and blocks of 200 ms (Base since Denim). The rest is as in the subject facilitator.
import { capacityOf } from "./capacity.ts";
import { gasSince, newestBlock } from "./lib/chainGas.ts";
import { LONE, type Load, preconfirmedLoads } from "./lib/facilitatorLoads.ts";
import type { RunningFacilitator } from "./lib/facilitators.ts";
import { BLOCK_SECONDS, type FacilitatorLab, openFacilitatorLab } from "./lib/lab.ts";
import { commonestReason, percentile, type Sample, successesOf } from "./lib/load.ts";
import { readMetrics } from "./lib/metrics.ts";
import { atMost, type Bar, round, type Subject } from "./lib/results.ts";
import { withRealToken } from "./lib/ways.ts";

const STEP_MS = 200;
/** Chains. */
const PLACES = [
  { place: "preconfirmed", options: { preconfirmMs: STEP_MS } },
  { place: "blocks of 0.2 s", options: { blockSeconds: STEP_MS / 1_000 } },
] as const;
/** Seconds. */
const MOST = { p50: 0.35, p95: 0.6, lone: 0.3 };
/** Transactions of a key in two seconds. */
const MOST_SENT = 5;

type Run = {
  readonly place: string;
  readonly load: Load;
  readonly samples: readonly Sample[];
  readonly settled: readonly Sample[];
  readonly transactions: number;
  /** Transactions in two seconds. */
  readonly sent: number;
  readonly gas: number;
  readonly takenBack: number;
};

export const preconfirmed: Subject = {
  name: "preconfirmed",
  title: "Fast blocks and preconfirmations",
  needs: ["capacity"],
  run: async ({ full, seed, tell, figures }) => {
    const runs: Run[] = [];
    for (const { place, options } of PLACES) {
      const lab = await openFacilitatorLab(seed, place, options);
      try {
        const running = await lab.start("Tributary");
        for (const load of preconfirmedLoads(lab, figures[capacityOf("Tributary")] ?? Number.NaN, full)) {
          const run = await measure(lab, running, place, load);
          runs.push(run);
          tell(`${place}, ${load.name}: ${run.settled.length} of ${load.payments}`);
        }
        await running.stop();
      } finally {
        await lab.stop();
      }
    }
    return report(runs);
  },
};

async function measure(lab: FacilitatorLab, running: RunningFacilitator, place: string, load: Load): Promise<Run> {
  if (load.perSecond !== undefined) await lab.warmUp(running, load.perSecond, 1);
  // What was answered before is in a block now.
  await lab.untilBlock();
  await lab.untilBlock();
  const { chain } = lab;
  const before = await newestBlock(chain);
  const beganMs = performance.now();
  const samples = await load.send(`${running.url}/settle`);
  const seconds = (performance.now() - beganMs) / 1_000;
  await lab.untilBlock();
  await lab.untilBlock();
  const settled = successesOf(samples);
  const { transactions, gas: used } = await gasSince(chain, running.sender, before);
  const metric = await readMetrics(running.url);
  return {
    ...{ place, load, samples, settled, transactions },
    sent: (transactions / seconds) * BLOCK_SECONDS,
    gas: withRealToken(used, settled.length, transactions) / settled.length,
    takenBack: metric('tributary_preconfirmations{what="taken back"}'),
  };
}

function report(runs: readonly Run[]) {
  const seconds = ({ settled }: Run, share: number) => percentile(settled, share) / 1_000;
  const bars: Bar[] = [];
  const figures: Record<string, number> = {};
  for (const run of runs) {
    const what = `${run.place}, ${run.load.name}`;
    figures[`${run.place} p50 ${run.load.name}`] = percentile(run.settled, 0.5);
    figures[`${run.place} p95 ${run.load.name}`] = percentile(run.settled, 0.95);
    figures[`${run.place} gas ${run.load.name}`] = Math.round(run.gas);
    bars.push(atMost(`${what}: failures`, run.samples.length - run.settled.length, 0, "payments"));
    if (run.load.name === LONE) {
      bars.push(atMost(`${what}: p50`, seconds(run, 0.5), MOST.lone, "s"));
      continue;
    }
    bars.push(
      atMost(`${what}: p50`, seconds(run, 0.5), MOST.p50, "s"),
      atMost(`${what}: p95`, seconds(run, 0.95), MOST.p95, "s"),
      atMost(`${what}: transactions in two seconds`, round(run.sent), MOST_SENT, "transactions"),
    );
  }
  return {
    figures,
    bars,
    tables: [
      {
        title: "Settlements where 200 ms are enough",
        columns: [
          "chain",
          "load",
          "payments",
          "settled, %",
          "p50, ms",
          "p95, ms",
          "p99, ms",
          "transactions",
          "in two seconds",
          "gas of a payment",
          "taken back",
          "what went wrong",
        ],
        rows: runs.map((run) => [
          run.place,
          run.load.name,
          run.samples.length,
          round((run.settled.length / run.samples.length) * 100),
          ...[0.5, 0.95, 0.99].map((share) => percentile(run.settled, share)),
          run.transactions,
          round(run.sent),
          Math.round(run.gas),
          run.takenBack,
          commonestReason(run.samples) ?? "",
        ]),
        note:
          "One chain makes a block every 2 s in ten steps, and the facilitator has --confirmations preconfirmed; the other makes a block " +
          "every 0.2 s. The chain is in its own process; the rest is as in the subject facilitator. Taken back counts from the start.",
      },
    ],
    charts: [],
  };
}

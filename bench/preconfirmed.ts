// Tributary on a chain that preconfirms in steps of 200 ms, answering on that: the rest is as in the subject facilitator.
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
/** Seconds. */
const MOST = { p50: 0.35, p95: 0.6, lone: 0.3 };
/** Transactions of a key for each block. */
const MOST_PER_BLOCK = 5;

type Run = {
  readonly load: Load;
  readonly samples: readonly Sample[];
  readonly settled: readonly Sample[];
  readonly transactions: number;
  readonly perBlock: number;
  readonly gas: number;
  readonly takenBack: number;
};

export const preconfirmed: Subject = {
  name: "preconfirmed",
  title: "Preconfirmations",
  needs: ["capacity"],
  run: async ({ full, seed, tell, figures }) => {
    const lab = await openFacilitatorLab(seed, "preconfirmed", STEP_MS);
    try {
      const running = await lab.start("Tributary");
      const runs: Run[] = [];
      for (const load of preconfirmedLoads(lab, figures[capacityOf("Tributary")] ?? Number.NaN, full)) {
        const run = await measure(lab, running, load);
        runs.push(run);
        tell(`${load.name}: ${run.settled.length} of ${load.payments}`);
      }
      await running.stop();
      return report(runs);
    } finally {
      await lab.stop();
    }
  },
};

async function measure(lab: FacilitatorLab, running: RunningFacilitator, load: Load): Promise<Run> {
  if (load.perSecond !== undefined) await lab.warmUp(running, load.perSecond, 1);
  // What was answered before is in a block now.
  await lab.untilBlock();
  const { chain } = lab;
  const before = await newestBlock(chain);
  const samples = await load.send(`${running.url}/settle`);
  await lab.untilBlock();
  await lab.untilBlock();
  const blocks = Number((await newestBlock(chain)) - before);
  const settled = successesOf(samples);
  const { transactions, gas: used } = await gasSince(chain, running.sender, before);
  const metric = await readMetrics(running.url);
  return {
    ...{ load, samples, settled, transactions },
    perBlock: transactions / Math.max(1, blocks - 2),
    gas: withRealToken(used, settled.length, transactions) / settled.length,
    takenBack: metric('tributary_preconfirmations{what="taken back"}'),
  };
}

function report(runs: readonly Run[]) {
  const seconds = ({ settled }: Run, share: number) => percentile(settled, share) / 1_000;
  const bars: Bar[] = [];
  const figures: Record<string, number> = {};
  for (const run of runs) {
    const what = `preconfirmed, ${run.load.name}`;
    figures[`preconfirmed p50 ${run.load.name}`] = percentile(run.settled, 0.5);
    figures[`preconfirmed p95 ${run.load.name}`] = percentile(run.settled, 0.95);
    figures[`preconfirmed gas ${run.load.name}`] = Math.round(run.gas);
    bars.push(atMost(`${what}: failures`, run.samples.length - run.settled.length, 0, "payments"));
    if (run.load.name === LONE) {
      bars.push(atMost(`${what}: p50`, seconds(run, 0.5), MOST.lone, "s"));
      continue;
    }
    bars.push(
      atMost(`${what}: p50`, seconds(run, 0.5), MOST.p50, "s"),
      atMost(`${what}: p95`, seconds(run, 0.95), MOST.p95, "s"),
      atMost(`${what}: transactions for each block`, round(run.perBlock), MOST_PER_BLOCK, "transactions"),
    );
  }
  return {
    figures,
    bars,
    tables: [
      {
        title: "Settlements on preconfirmations of 200 ms",
        columns: [
          "load",
          "payments",
          "settled, %",
          "p50, ms",
          "p95, ms",
          "p99, ms",
          "transactions",
          "for each block",
          "gas of a payment",
          "taken back",
          "what went wrong",
        ],
        rows: runs.map((run) => [
          run.load.name,
          run.samples.length,
          round((run.settled.length / run.samples.length) * 100),
          ...[0.5, 0.95, 0.99].map((share) => percentile(run.settled, share)),
          run.transactions,
          round(run.perBlock),
          Math.round(run.gas),
          run.takenBack,
          commonestReason(run.samples) ?? "",
        ]),
        note:
          `The chain makes a block every ${BLOCK_SECONDS} s in ten steps, in its own process; the callers and the facilitator are as in ` +
          "the subject facilitator, with --confirmations preconfirmed. Taken back counts from the start of the facilitator.",
      },
    ],
    charts: [],
  };
}

// Facilitators at 2 s blocks: each in its own process, the chain in another, the callers in this one. Distinct payers, one payee
// that has been paid before.
import { setTimeout as pause } from "node:timers/promises";
import { capacityOf } from "./capacity.ts";
import { gasSince, newestBlock } from "./lib/chainGas.ts";
import { BURST, LONE, type Load, loadsOf, ONE, STEADY } from "./lib/facilitatorLoads.ts";
import { FACILITATORS, type FacilitatorKind, type RunningFacilitator } from "./lib/facilitators.ts";
import { BLOCK_SECONDS, type FacilitatorLab, openFacilitatorLab } from "./lib/lab.ts";
import { commonestReason, percentile, type Sample, successesOf } from "./lib/load.ts";
import { readMetrics } from "./lib/metrics.ts";
import type { Usage } from "./lib/processes.ts";
import { atLeast, atMost, type Bar, round, type Subject } from "./lib/results.ts";
import { FLOOR_GAS, withRealToken } from "./lib/ways.ts";

/** Seconds. A payment that comes at a random moment waits for a 2 s block for 1.0 (p50) and 1.9 (p95). */
const FLOOR = { p50: BLOCK_SECONDS * 0.5, p95: BLOCK_SECONDS * 0.95 };
const MOST_STEADY = { p50: 1.35, p95: 2.3 };
const MOST_LONE = FLOOR.p50 + 0.15;
const MOST_BURST_P95 = 2.3;
/** In u. */
const MOST_PROCESSOR = 6;
const MOST_LATE_LOOP = 30;
const MOST_MEMORY_MB = 512;
/** Memory at the end of a load against that in its middle. */
const FLAT = 1.1;
const MOST_LATE_BATCHES = 2;

type Run = {
  readonly load: Load;
  readonly kind: FacilitatorKind;
  readonly samples: readonly Sample[];
  readonly settled: readonly Sample[];
  readonly transactions: number;
  /** Gas of a settled payment, with Circle's token. */
  readonly gas: number;
  readonly usage: Usage;
  /** Memory at the end of the load, against the middle. */
  readonly growth: number;
  /** Processor time of the chain, in seconds. */
  readonly chainSeconds: number;
  /** Transactions of ours that were sent in time for a block, by whether they were mined in it. */
  readonly batches: Batches;
};
type Batches = { readonly inTime: number; readonly late: number };

export const facilitator: Subject = {
  name: "facilitator",
  title: "Facilitator",
  needs: ["capacity"],
  run: async ({ full, seed, tell, machine, figures }) => {
    const lab = await openFacilitatorLab(seed, "facilitator");
    try {
      const runs: Run[] = [];
      for (const kind of FACILITATORS) {
        const loads = loadsOf(lab, kind, figures[capacityOf("Tributary")] ?? Number.NaN, full);
        for await (const run of runsOf(lab, kind, loads)) {
          runs.push(run);
          tell(`${kind}, ${run.load.name}: ${run.settled.length} of ${run.load.payments}`);
        }
      }
      return report(runs, machine.uMs);
    } finally {
      await lab.stop();
    }
  },
};

/** One facilitator for all loads. If a nonceManager fails, it leaves a gap that fails all that follows: a new one goes on. */
async function* runsOf(lab: FacilitatorLab, kind: FacilitatorKind, loads: readonly Load[]): AsyncGenerator<Run> {
  let running: RunningFacilitator | undefined;
  try {
    for (const load of loads) {
      running ??= await lab.start(kind);
      const run = await measure(lab, running, load);
      yield run;
      if (kind !== "official, nonceManager" || run.settled.length === load.payments) continue;
      await running.stop();
      running = undefined;
    }
  } finally {
    await running?.stop();
  }
}

async function measure(lab: FacilitatorLab, running: RunningFacilitator, load: Load): Promise<Run> {
  if (load.perSecond !== undefined) await lab.warmUp(running, load.perSecond, 1);
  const { chain } = lab;
  const { kind, url, sender } = running;
  const before = await newestBlock(chain);
  const batchesBefore = await batchesOf(running);
  await Promise.all([running.begin(), chain.begin()]);
  const middle = pause(((load.payments / (load.perSecond ?? Infinity)) * 1_000) / 2).then(() => running.usage());
  const samples = await load.send(`${url}/settle`);
  const [usage, { cpuSeconds: chainSeconds }] = await Promise.all([running.usage(), chain.usage()]);
  const growth = usage.rssMiB / (await middle).rssMiB;
  const { inTime, late } = await batchesOf(running);
  const batches = { inTime: inTime - batchesBefore.inTime, late: late - batchesBefore.late };
  const settled = successesOf(samples);
  const { transactions, gas: used } = await gasSince(chain, sender, before);
  const gas = withRealToken(used, settled.length, transactions) / settled.length;
  return { load, kind, samples, settled, transactions, gas, usage, growth, chainSeconds, batches };
}

async function batchesOf({ kind, url }: RunningFacilitator): Promise<Batches> {
  if (kind !== "Tributary") return { inTime: 0, late: 0 };
  const metric = await readMetrics(url);
  const mined = (when: string) => metric(`tributary_step_batches{mined="${when}"}`);
  return { inTime: mined("in time"), late: mined("late") };
}

const shareOf = ({ settled, samples }: Run): number => round((settled.length / samples.length) * 100);

/** Processor time of the facilitator for a settled payment, its verification included, in u. */
const processorOf = ({ usage, settled }: Run, uMs: number): number => (usage.cpuSeconds * 1_000) / settled.length / uMs;

const inMegabytes = (mebibytes: number): number => (mebibytes * 2 ** 20) / 1e6;

function report(runs: readonly Run[], uMs: number) {
  const names = [...new Set(runs.map(({ load }) => load.name))];
  const byLoad = names.flatMap((name) => runs.filter(({ load }) => load.name === name));
  const figures: Record<string, number> = {};
  for (const run of runs) {
    const { load, kind, settled, gas, usage } = run;
    figures[`facilitator success ${load.name} ${kind}`] = shareOf(run);
    figures[`facilitator MB ${load.name} ${kind}`] = Math.round(inMegabytes(usage.mostRssMiB));
    if (settled.length === 0) continue;
    figures[`facilitator p50 ${load.name} ${kind}`] = percentile(settled, 0.5);
    figures[`facilitator p95 ${load.name} ${kind}`] = percentile(settled, 0.95);
    figures[`facilitator gas ${load.name} ${kind}`] = Math.round(gas);
    figures[`facilitator u ${load.name} ${kind}`] = round(processorOf(run, uMs));
  }
  /** One row of bars for each facilitator: the `value` of its runs. */
  const seriesOf = (value: (run: Run) => number) =>
    FACILITATORS.map((kind) => ({
      name: kind,
      points: byLoad
        .filter((run) => run.kind === kind && Number.isFinite(value(run)))
        .map((run) => [run.load.name, value(run)] as const),
    }));
  const floorOf = (name: string, value: number) => ({ name, points: names.map((load) => [load, value] as const) });
  return {
    figures,
    bars: barsOf(runs, names, uMs),
    tables: [
      {
        title: "Settlements at 2 s blocks",
        columns: [
          "load",
          "facilitator",
          "payments",
          "settled, %",
          "p50, ms",
          "p95, ms",
          "p99, ms",
          "transactions",
          "gas of a payment",
          "processor of a payment, u",
          "the chain's, u",
          "most memory, MB",
          "event loop p99, ms",
          "what went wrong",
        ],
        rows: byLoad.map((run) => [
          run.load.name,
          run.kind,
          run.samples.length,
          shareOf(run),
          ...[0.5, 0.95, 0.99].map((share) => percentile(run.settled, share)),
          run.transactions,
          Math.round(run.gas),
          round(processorOf(run, uMs)),
          round((run.chainSeconds * 1_000) / run.settled.length / uMs),
          Math.round(inMegabytes(run.usage.mostRssMiB)),
          round(run.usage.loopDelayMs.p99),
          commonestReason(run.samples) ?? "",
        ]),
        note:
          "Times are those of payments that settled: a refusal is quick. An answer that takes 20 s counts as none. A facilitator is " +
          "warm: it had ten payments a second for three blocks before its first load, and each steady rate for one block before that is " +
          "measured, and it learnt when blocks come. It takes one load after another; one with nonceManager that fails is replaced. " +
          "Bursts come when a block was just made, lone payments at 20 moments spread over the time between blocks. The capacity is that of Tributary " +
          "in the subject capacity, in the same run. Gas is that of all its transactions by what settled, with Circle's token. Every " +
          "process runs on the same cores: facilitator, chain and callers.",
      },
    ],
    charts: [
      {
        file: "facilitator-p95",
        title: "95 of 100 payments that settle have their answer within, 2 s blocks",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "ms", min: 0 },
        series: seriesOf(({ settled }) => percentile(settled, 0.95)),
        floor: floorOf("the next block, from a random moment", FLOOR.p95 * 1_000),
      },
      {
        file: "facilitator-success",
        title: "Share of payments settled",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "%", min: 0 },
        series: seriesOf(shareOf),
        floor: floorOf("all", 100),
      },
      {
        file: "facilitator-gas",
        title: "Gas of a payment through a facilitator",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "gas, with Circle's token", min: 0 },
        series: seriesOf(({ gas }) => Math.round(gas)),
        floor: floorOf("physical floor", FLOOR_GAS.manyToOne),
      },
    ],
  };
}

function barsOf(runs: readonly Run[], names: readonly string[], uMs: number): Bar[] {
  const ours = runs.filter(({ kind }) => kind === "Tributary");
  const bars: Bar[] = [];
  const seconds = ({ settled }: Run, share: number) => percentile(settled, share) / 1_000;
  for (const run of ours) {
    const what = `facilitator, ${run.load.name}`;
    if (run.load.perSecond !== undefined) {
      bars.push(
        atMost(`${what}: failures`, run.samples.length - run.settled.length, 0, "payments"),
        atMost(`${what}: p50`, seconds(run, 0.5), MOST_STEADY.p50, "s"),
        atMost(`${what}: p95`, seconds(run, 0.95), MOST_STEADY.p95, "s"),
      );
    }
    if (run.load.name === LONE) bars.push(atMost(`${what}: p50`, seconds(run, 0.5), MOST_LONE, "s"));
    if (run.load.name === BURST) {
      bars.push(
        atMost(`${what}: p95`, seconds(run, 0.95), MOST_BURST_P95, "s"),
        atMost(`${what}: p95, against the best peer`, seconds(run, 0.95), bestP95(runs, BURST) / 1_000, "s"),
      );
    }
    if (run.load.name === STEADY.most) {
      bars.push(
        atMost(`${what}: processor of a payment`, processorOf(run, uMs), MOST_PROCESSOR, "u"),
        atMost(`${what}: event-loop delay p99`, run.usage.loopDelayMs.p99 / uMs, MOST_LATE_LOOP, "u"),
        atMost(`${what}: most memory`, inMegabytes(run.usage.mostRssMiB), MOST_MEMORY_MB, "MB"),
        atMost(`${what}: memory at the end, against the middle`, run.growth, FLAT, "of it"),
      );
    }
  }
  const sum = (count: (batches: Batches) => number) => ours.reduce((total, { batches }) => total + count(batches), 0);
  const late = sum((batches) => batches.late);
  const share = (late / (late + sum((batches) => batches.inTime))) * 100;
  bars.push(atMost("facilitator: transactions sent in time and mined a block late", share, MOST_LATE_BATCHES, "%"));
  for (const name of names) {
    const run = ours.find(({ load }) => load.name === name);
    const peers = runs.filter(({ load, kind }) => load.name === name && kind !== "Tributary");
    if (run === undefined || peers.length === 0) continue;
    const best = Math.max(...peers.map(shareOf));
    bars.push(atLeast(`facilitator, ${name}: settled, against the best peer`, shareOf(run), best, "%"));
  }
  const one = runs.find(({ load, kind }) => load.name === ONE && kind === "official, nonceManager");
  if (one === undefined) return bars;
  for (const run of ours) {
    const name = `facilitator, ${run.load.name}: gas against one per transaction`;
    // Rounded, because a zero byte that a nonce or a signature happens to have saves a ten-thousandth.
    bars.push(atMost(name, round(run.gas / one.gas), gasLimitOf(run), "of it"));
  }
  return bars;
}

/** The quickest of the peers that settled most of a load. One that settles next to nothing would be quicker. */
function bestP95(runs: readonly Run[], name: string): number {
  const peers = runs.filter(({ load, kind }) => load.name === name && kind !== "Tributary");
  const most = Math.max(...peers.map(shareOf));
  return Math.min(...peers.filter((run) => shareOf(run) === most).map(({ settled }) => percentile(settled, 0.95)));
}

function gasLimitOf({ load, settled, transactions }: Run): number {
  const together = load.perSecond === undefined ? load.together : settled.length / Math.max(1, transactions);
  return together >= 100 ? 0.56 : together >= 50 ? 0.57 : 1;
}

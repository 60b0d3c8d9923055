// Facilitators at 2 s blocks: each in its own process, the chain in another, the callers in this one. Distinct payers, one payee
// that has been paid before.
import { gasSince, newestBlock } from "./lib/chainGas.ts";
import { FACILITATORS, type FacilitatorKind, startFacilitator } from "./lib/facilitators.ts";
import { bodiesOf, burst, commonestReason, percentile, type Sample, sustain } from "./lib/load.ts";
import { type Mint, openMint, soon } from "./lib/payments.ts";
import type { Usage } from "./lib/processes.ts";
import { type RemoteChain, startRemoteChain } from "./lib/remoteChain.ts";
import { atLeast, atMost, type Bar, round, type Subject } from "./lib/results.ts";
import { setBalances } from "./lib/token.ts";
import { FLOOR_GAS, withRealToken } from "./lib/ways.ts";

const BLOCK_SECONDS = 2;
const PAYERS = 600;
const BURSTS = [1, 10, 50, 200] as const;
const RATES = [25, 50, 100, 150] as const;
const HIGHEST = 150;
/** The load that the bars are about, as a part of what this machine can do. Its length is never reduced. */
const BAR_PART = 0.8;
const BAR_SECONDS = 60;
const BAR_NAME = `${BAR_PART * 100} % of the capacity for ${BAR_SECONDS} s`;
/** How long half of that load comes first: a facilitator that has just started does not know its capacity yet. */
const WARM_UP_SECONDS = 10;
/** The event loop may be late by no more than the time in which this many payments are settled. */
const MOST_LATE_PAYMENTS = 3;
/** Seconds of the other loads; in the short form the peers have the highest only. */
const SECONDS = { quick: 3, full: 60 };

type Load = {
  readonly name: string;
  readonly payments: number;
  readonly perSecond?: number;
  /** Payments at half the rate before anything is counted. */
  readonly warmUp?: number;
};
type Run = {
  readonly load: Load;
  readonly kind: FacilitatorKind;
  readonly samples: readonly Sample[];
  readonly settled: number;
  readonly transactions: number;
  /** Gas of a settled payment, with Circle's token. */
  readonly gas: number;
  readonly usage: Usage;
};

export const facilitator: Subject = {
  name: "facilitator",
  title: "Facilitator",
  needs: ["overload"],
  run: async ({ full, seed, tell, figures }) => {
    const capacity = figures["overload capacity"] ?? Number.NaN;
    const chain = await startRemoteChain(BLOCK_SECONDS);
    try {
      const mint = openMint(seed, "facilitator", { validBefore: soon() });
      await setBalances(chain.request, mint.parties({ count: PAYERS, payers: PAYERS, payees: 1 }), 10n ** 12n);
      const mintNext = minter(mint);
      const runs: Run[] = [];
      for (const kind of FACILITATORS) {
        for (const load of loadsOf(kind, full, capacity)) {
          tell(`${kind}, ${load.name}`);
          const warmUp = bodiesOf(mintNext(load.warmUp ?? 0));
          runs.push(await measure(chain, kind, load, warmUp, bodiesOf(mintNext(load.payments))));
        }
      }
      return report(runs, full ? SECONDS.full : SECONDS.quick, capacity);
    } finally {
      await chain.stop();
    }
  },
};

function loadsOf(kind: FacilitatorKind, full: boolean, capacity: number): Load[] {
  const bursts = BURSTS.map((count): Load => ({ name: `burst of ${count}`, payments: count }));
  const rates = RATES.filter((rate) => full || kind === "Tributary" || rate === HIGHEST);
  const sustained = rates.map((rate) => sustainedLoad(rate, full ? SECONDS.full : SECONDS.quick));
  if (kind !== "Tributary") return [...bursts, ...sustained];
  const perSecond = Math.max(1, Math.floor(BAR_PART * capacity));
  const payments = perSecond * BAR_SECONDS;
  const warmUp = Math.ceil((perSecond / 2) * WARM_UP_SECONDS);
  return [...bursts, ...sustained, { name: BAR_NAME, payments, perSecond, warmUp }];
}

function sustainedLoad(perSecond: number, seconds: number): Load {
  return { name: nameOf(perSecond, seconds), payments: perSecond * seconds, perSecond };
}

const nameOf = (perSecond: number, seconds: number): string => `${perSecond}/s for ${seconds} s`;

/** Payments by all payers in turn, each payment once. */
function minter(mint: Mint) {
  let next = 0;
  return (count: number) =>
    Array.from({ length: count }, () => {
      next += 1;
      return mint.sign(next, { payer: next % PAYERS });
    });
}

async function measure(
  chain: RemoteChain,
  kind: FacilitatorKind,
  load: Load,
  warmUp: readonly string[],
  bodies: readonly string[],
): Promise<Run> {
  const running = await startFacilitator(chain, kind);
  try {
    const url = `${running.url}/settle`;
    if (warmUp.length > 0) await sustain(url, warmUp, (load.perSecond ?? 2) / 2);
    const before = await newestBlock(chain);
    await running.begin();
    const samples = await (load.perSecond === undefined ? burst(url, bodies) : sustain(url, bodies, load.perSecond));
    const usage = await running.usage();
    const { transactions, gas } = await gasSince(chain, running.sender, before);
    const settled = samples.filter(({ success }) => success).length;
    const gasEach = settled === 0 ? Number.NaN : withRealToken(gas, settled, transactions) / settled;
    return { load, kind, samples, settled, transactions, gas: gasEach, usage };
  } finally {
    await running.stop();
  }
}

/** One line or row of bars for each facilitator: the `value` of its runs, each as `[label, name of the load]`. */
function seriesOf(
  runs: readonly Run[],
  loads: readonly (readonly [label: string, name: string])[],
  value: (run: Run) => number | undefined,
) {
  return FACILITATORS.map((kind) => ({
    name: kind,
    points: loads.flatMap(([label, name]) => {
      const run = runOf(runs, name, kind);
      const found = run === undefined ? undefined : value(run);
      return found === undefined ? [] : [[label, found] as const];
    }),
  }));
}

function report(runs: readonly Run[], seconds: number, capacity: number) {
  const loads = loadNames(runs).map((name) => [name, name] as const);
  const figures: Record<string, number> = {};
  for (const { load, kind, samples, settled, gas, usage } of runs) {
    figures[`facilitator success ${load.name} ${kind}`] = round((settled / samples.length) * 100);
    figures[`facilitator p95 ${load.name} ${kind}`] = percentile(samples, 0.95);
    if (settled > 0) figures[`facilitator gas ${load.name} ${kind}`] = Math.round(gas);
    figures[`facilitator MiB ${load.name} ${kind}`] = Math.round(usage.mostRssMiB);
  }
  return {
    figures,
    bars: barsOf(runs, capacity),
    tables: [
      {
        title: "Settlements at 2 s blocks",
        columns: [
          "load",
          "facilitator",
          "payments",
          "settled, %",
          "transactions",
          "gas of a payment",
          "p50, ms",
          "p95, ms",
          "p99, ms",
          "processor, s",
          "most memory, MiB",
          "event loop p99, ms",
          "what went wrong",
        ],
        rows: [...runs]
          .sort(byLoad)
          .map(({ load, kind, samples, settled, transactions, gas, usage }) => [
            load.name,
            kind,
            samples.length,
            round((settled / samples.length) * 100),
            transactions,
            settled === 0 ? null : Math.round(gas),
            percentile(samples, 0.5),
            percentile(samples, 0.95),
            percentile(samples, 0.99),
            round(usage.cpuSeconds),
            Math.round(usage.mostRssMiB),
            round(usage.loopDelayMs.p99),
            commonestReason(samples) ?? "",
          ]),
        note:
          "Each load against a facilitator that has just started, distinct payers, a payee that has been paid before; times of all " +
          "answers, good or bad; an answer that takes 20 s counts as none. The capacity is that of the subject overload, in the same " +
          "run; its load begins after 10 s of half as much. Gas is that of all its transactions by what settled, with " +
          "Circle's token. Every process runs on the same cores: facilitator, chain and callers.",
      },
    ],
    charts: [
      {
        file: "facilitator-p95",
        title: "95 of 100 answers come within, 2 s blocks",
        kind: "line" as const,
        x: { name: "settlements a second" },
        y: { name: "ms", min: 0 },
        series: seriesOf(
          runs,
          RATES.map((rate) => [`${rate}/s`, nameOf(rate, seconds)]),
          ({ samples }) => percentile(samples, 0.95),
        ),
        floor: {
          name: "the next block",
          points: RATES.map((rate) => [`${rate}/s`, BLOCK_SECONDS * 950] as const),
        },
      },
      {
        file: "facilitator-success",
        title: "Share of payments settled",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "%", min: 0 },
        series: seriesOf(runs, loads, ({ settled, samples }) => round((settled / samples.length) * 100)),
        floor: { name: "all", points: loadNames(runs).map((name) => [name, 100] as const) },
      },
      {
        file: "facilitator-gas",
        title: "Gas of a payment through a facilitator",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "gas, with Circle's token", min: 0 },
        series: seriesOf(runs, loads, ({ settled, gas }) => (settled === 0 ? undefined : Math.round(gas))),
        floor: { name: "physical floor", points: loadNames(runs).map((name) => [name, FLOOR_GAS.manyToOne] as const) },
      },
    ],
  };
}

function barsOf(runs: readonly Run[], capacity: number): Bar[] {
  const bars: Bar[] = [];
  const highest = runOf(runs, BAR_NAME, "Tributary");
  if (highest !== undefined) {
    const what = `facilitator, ${highest.load.name}`;
    const failed = highest.samples.length - highest.settled;
    bars.push(
      atMost(`${what}: failures`, failed, 0, "payments"),
      atMost(`${what}: p95`, percentile(highest.samples, 0.95) / 1000, 4.5, "s"),
      atMost(
        `${what}: event-loop delay p99, in the time of a settlement`,
        (highest.usage.loopDelayMs.p99 / 1000) * capacity,
        MOST_LATE_PAYMENTS,
        "settlements",
      ),
    );
  }
  const one = runOf(runs, "burst of 1", "official, nonceManager");
  for (const name of loadNames(runs)) {
    const ours = runOf(runs, name, "Tributary");
    const peers = runs.filter(({ load, kind }) => load.name === name && kind !== "Tributary");
    if (ours === undefined || peers.length === 0) continue;
    const best = Math.max(...peers.map(({ settled, samples }) => settled / samples.length));
    const share = ours.settled / ours.samples.length;
    bars.push(atLeast(`facilitator, ${name}: settled, against the best peer`, share * 100, round(best * 100), "%"));
  }
  for (const run of runs) {
    if (run.kind !== "Tributary" || one === undefined) continue;
    const name = `facilitator, ${run.load.name}: gas against one per transaction`;
    bars.push(atMost(name, run.gas / one.gas, limitOf(run), "of it"));
  }
  return bars;
}

/** How many payments come together: those of a burst, or those that a sustained load brings for one transaction. */
function limitOf({ load, settled, transactions }: Run): number {
  const together = load.perSecond === undefined ? load.payments : settled / Math.max(1, transactions);
  return together >= 100 ? 0.56 : together >= 50 ? 0.57 : 1;
}

function loadNames(runs: readonly Run[]): string[] {
  return [...new Set([...runs].sort(byLoad).map(({ load }) => load.name))];
}

function runOf(runs: readonly Run[], name: string, kind: FacilitatorKind): Run | undefined {
  return runs.find((run) => run.load.name === name && run.kind === kind);
}

/** Bursts before sustained loads, smaller before larger. */
function byLoad(a: Run, b: Run): number {
  const rank = ({ load: { perSecond = 0, payments } }: Run) => perSecond * 1e6 + payments;
  return rank(a) - rank(b);
}

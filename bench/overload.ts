// A facilitator under overload: two and four times the capacity that the subject capacity found in the same run. The chain and the
// facilitator have their own processes; the callers, who do not wait for each other, are in this one.
import { setTimeout as pause } from "node:timers/promises";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import { capacityOf } from "./capacity.ts";
import { newestBlock } from "./lib/chainGas.ts";
import type { RunningFacilitator } from "./lib/facilitators.ts";
import { BLOCK_SECONDS, openFacilitatorLab } from "./lib/lab.ts";
import { bodiesOf, commonestReason, percentile, type Sample, successesOf, sustain } from "./lib/load.ts";
import { inU } from "./lib/machine.ts";
import { readMetrics } from "./lib/metrics.ts";
import type { Usage } from "./lib/processes.ts";
import type { RemoteChain } from "./lib/remoteChain.ts";
import { atLeast, atMost, type Bar, round, type Subject } from "./lib/results.ts";
import { usesSince } from "./lib/uses.ts";

const SECONDS = 30;
const TIMES = [2, 4] as const;
/** Long enough for a facilitator to answer everybody whom it let in; the official client waits for 90 s. */
const PATIENCE_MS = 60_000;
/** A refusal comes at once: it was to take 0.5 s at most. */
const MOST_REFUSAL_U = inU(500);

type Load = {
  readonly times: number;
  readonly perSecond: number;
  readonly samples: readonly Sample[];
  /** Settlements a second, from one block before the first success that was told to the last one. */
  readonly goodput: number;
  /** Charged on chain, but told neither that nor a transaction. */
  readonly chargedUntold: number;
  /** Told of a success that is not on chain. */
  readonly toldUncharged: number;
  readonly usage: Usage;
  /** Memory that it still holds afterwards. */
  readonly liveMiB: number;
};

export const overload: Subject = {
  name: "overload",
  title: "Overload",
  needs: ["capacity"],
  run: async ({ seed, tell, machine, figures }) => {
    const capacity = figures[capacityOf("Tributary")] ?? Number.NaN;
    const lab = await openFacilitatorLab(seed, "overload");
    try {
      const running = await lab.start("Tributary");
      try {
        await lab.warmUp(running, Math.max(1, Math.round(capacity / 2)), 2);
        await untilQuiet(running);
        const before = await running.liveMiB();
        const loads: Load[] = [];
        for (const times of TIMES) {
          const perSecond = Math.max(1, Math.round(times * capacity));
          tell(`${times} times the capacity: ${perSecond} a second for ${SECONDS} s`);
          loads.push(await measure(lab.chain, running, { times, perSecond }, lab.next(perSecond * SECONDS)));
        }
        return report(capacity, before, loads, machine.uMs);
      } finally {
        await running.stop();
      }
    } finally {
      await lab.stop();
    }
  },
};

async function measure(
  chain: RemoteChain,
  running: RunningFacilitator,
  { times, perSecond }: Pick<Load, "times" | "perSecond">,
  payments: readonly SignedAuthorization[],
): Promise<Load> {
  const before = await newestBlock(chain);
  await running.begin();
  const startedAt = performance.now();
  const heard: number[] = [];
  const onAnswer = ({ success }: Sample): void => {
    if (success) heard.push(performance.now() - startedAt);
  };
  const samples = await sustain(`${running.url}/settle`, bodiesOf(payments), perSecond, {
    onAnswer,
    patienceMs: PATIENCE_MS,
  });
  const usage = await running.usage();
  // The charges are known once nothing is on its way.
  await untilQuiet(running);
  const used = await usesSince(chain, before);
  const isUsed = (i: number): boolean => used.has(payments[i]!.nonce.toLowerCase());
  const isTold = ({ success, hasTransaction }: Sample): boolean => success || hasTransaction === true;
  const span = (heard.at(-1) ?? 0) - (heard[0] ?? 0);
  return {
    times,
    perSecond,
    samples,
    goodput: (heard.length * 1_000) / (span + BLOCK_SECONDS * 1_000),
    chargedUntold: samples.filter((sample, i) => isUsed(i) && !isTold(sample)).length,
    toldUncharged: samples.filter((sample, i) => sample.success && !isUsed(i)).length,
    usage,
    liveMiB: await running.liveMiB(),
  };
}

const QUIET = ['tributary_inside{endpoint="settle"}', "tributary_queue_payments", "tributary_payments_in_flight"];

/** Waits until the facilitator has nothing left to do. */
async function untilQuiet({ url }: RunningFacilitator): Promise<void> {
  for (;;) {
    const metric = await readMetrics(url);
    if (QUIET.every((name) => metric(name) === 0)) return;
    await pause(250);
  }
}

/** The requests that were let in, and those that were refused at once. */
function parted(samples: readonly Sample[]) {
  const refused = samples.filter(({ status }) => status === 503);
  return { refused, answered: samples.filter(({ status }) => status !== 503) };
}

function report(capacity: number, before: number, loads: readonly Load[], uMs: number) {
  const bars: Bar[] = [];
  const figures: Record<string, number> = {};
  for (const load of loads) {
    const { times, samples, goodput, chargedUntold, toldUncharged, liveMiB } = load;
    const what = `overload, ${times} times the capacity for ${SECONDS} s`;
    const { refused, answered } = parted(samples);
    const unanswered = samples.filter(({ status }) => status === undefined).length;
    bars.push(
      atLeast(`${what}: settled a second, against the capacity`, goodput / capacity, 0.9, "of it"),
      atMost(`${what}: p95 of those who were let in`, percentile(answered, 0.95) / 1000, 10, "s"),
      atMost(`${what}: charged and not told`, chargedUntold, 0, "payers"),
      atMost(`${what}: told and not charged`, toldUncharged, 0, "payers"),
      atMost(`${what}: without an answer`, unanswered, 0, "callers"),
    );
    if (refused.length > 0) {
      bars.push(atMost(`${what}: p99 of refusals`, percentile(refused, 0.99) / uMs, MOST_REFUSAL_U, "u"));
    }
    figures[`overload goodput ${times}c`] = round(goodput);
    figures[`overload p95 ${times}c`] = percentile(answered, 0.95);
    figures[`overload MiB ${times}c`] = Math.round(liveMiB);
  }
  const [first, last] = [loads[0], loads.at(-1)];
  if (first !== undefined && last !== undefined) {
    const what = "overload: memory that it holds on to after 4 times the capacity, against after 2";
    bars.push(atMost(what, last.liveMiB / first.liveMiB, 1.2, "of it"));
  }
  return { bars, figures, charts: [], tables: [tableOf(capacity, before, loads)] };
}

function tableOf(capacity: number, before: number, loads: readonly Load[]) {
  return {
    title: `Overload, at 2 s blocks: the capacity is ${round(capacity)} settlements a second`,
    columns: [
      "asked a second",
      "requests",
      "settled, a second",
      "settled",
      "refused (503)",
      "p50, ms",
      "p95, ms",
      "longest, ms",
      "refusal p50, ms",
      "refusal p99, ms",
      "longest refusal, ms",
      "charged and not told",
      "event loop p99, ms",
      "memory, MiB",
      "of it held on to, MiB",
      "what else went wrong",
    ],
    rows: loads.map(({ times, perSecond, samples, goodput, chargedUntold, usage, liveMiB }) => {
      const { refused, answered } = parted(samples);
      const settled = successesOf(samples);
      return [
        `${perSecond} (${times} times)`,
        samples.length,
        round(goodput),
        settled.length,
        refused.length,
        percentile(settled, 0.5),
        percentile(settled, 0.95),
        percentile(settled, 1),
        percentile(refused, 0.5),
        percentile(refused, 0.99),
        percentile(refused, 1),
        chargedUntold,
        round(usage.loopDelayMs.p99),
        Math.round(usage.rssMiB),
        Math.round(liveMiB),
        commonestReason(answered) ?? "",
      ];
    }),
    note:
      "One facilitator for both, which had half of its capacity for two blocks before; distinct authorizations of 1,000 payers; an " +
      "answer that takes 60 s counts as none. Times are those of payments that were settled, and of refusals; the bar is about all who " +
      `were let in. Who was charged is read from the chain afterwards. It held on to ${Math.round(before)} MiB before.`,
  };
}

// A facilitator under overload. First its capacity is found, by callers who wait and then by growing floods; then it gets two and
// four times that. The chain and the facilitator have their own processes; the callers are in this one.
import { setTimeout as pause } from "node:timers/promises";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import { newestBlock } from "./lib/chainGas.ts";
import { type RunningFacilitator, startFacilitator } from "./lib/facilitators.ts";
import { bodiesOf, commonestReason, percentile, type Sample, sustain, timed } from "./lib/load.ts";
import { openMint, soon } from "./lib/payments.ts";
import type { Usage } from "./lib/processes.ts";
import { type RemoteChain, startRemoteChain } from "./lib/remoteChain.ts";
import { atLeast, atMost, type Bar, round, type Subject } from "./lib/results.ts";
import { setBalances } from "./lib/token.ts";
import { usesSince } from "./lib/uses.ts";

const BLOCK_SECONDS = 2;
const PAYERS = 1_000;
const SECONDS = 30;
const TIMES = [2, 4] as const;
/** The number of callers at first. It doubles each time, until more callers settle hardly any more. */
const FIRST_CALLERS = 150;
const MOST_CALLERS = 4_800;
/** Ten blocks: settlements come block by block, so the best of several short spans would depend on luck. */
const STEP_SECONDS = 20;
/** Before each span, while the facilitator adapts to more callers. */
const UNCOUNTED_SECONDS = 4;
const HARDLY_MORE = 1.15;
/** A flood that shows whether it can settle more than for callers who wait: how long, and how many times at most. */
const FLOOD_SECONDS = 12;
const MOST_FLOODS = 3;
/** Long enough for a facilitator to answer everybody whom it let in; the official client waits for 90 s. */
const PATIENCE_MS = 60_000;
/** How long a refused caller waits before asking again. */
const RETRY_MS = 1_000;

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
  run: async ({ seed, tell }) => {
    const chain = await startRemoteChain(BLOCK_SECONDS);
    try {
      const mint = openMint(seed, "overload", { validBefore: soon() });
      await setBalances(chain.request, mint.parties({ count: PAYERS, payers: PAYERS, payees: 1 }), 10n ** 12n);
      let minted = 0;
      const next = (): SignedAuthorization => {
        minted += 1;
        return mint.sign(minted, { payer: minted % PAYERS });
      };
      const running = await startFacilitator(chain, "Tributary");
      try {
        let capacity = await findCapacity(running, next, tell);
        await untilQuiet(running);
        const load = (times: number, seconds: number) => {
          const perSecond = Math.max(1, Math.round(times * capacity));
          tell(`${times} times the capacity: ${perSecond} a second for ${seconds} s`);
          const payments = Array.from({ length: perSecond * seconds }, next);
          return measure(chain, running, { times, perSecond }, payments);
        };
        for (let flood = 0; flood < MOST_FLOODS; flood += 1) {
          const { goodput } = await load(2, FLOOD_SECONDS);
          const isMore = goodput > HARDLY_MORE * capacity;
          capacity = Math.max(capacity, goodput);
          if (!isMore) break;
        }
        tell(`the capacity is ${round(capacity)} a second`);
        const before = await running.liveMiB();
        const loads: Load[] = [];
        for (const times of TIMES) loads.push(await load(times, SECONDS));
        return report(capacity, before, loads);
      } finally {
        await running.stop();
      }
    } finally {
      await chain.stop();
    }
  },
};

/** Settlements a second by so many callers that more make no difference, each asking again once answered. */
async function findCapacity(
  { url }: RunningFacilitator,
  next: () => SignedAuthorization,
  tell: (text: string) => void,
): Promise<number> {
  let isOver = false;
  let settled = 0;
  const callers: Promise<void>[] = [];
  const call = async (): Promise<void> => {
    while (!isOver) {
      const [body = ""] = bodiesOf([next()]);
      const { success, status } = await timed(`${url}/settle`, body);
      if (success) settled += 1;
      else if (status === 503) await pause(RETRY_MS);
    }
  };
  let best = 0;
  for (let count = FIRST_CALLERS; count <= MOST_CALLERS; count *= 2) {
    while (callers.length < count) callers.push(call());
    await pause(UNCOUNTED_SECONDS * 1_000);
    const before = settled;
    await pause(STEP_SECONDS * 1_000);
    const perSecond = (settled - before) / STEP_SECONDS;
    tell(`${count} callers at once: ${round(perSecond)} a second`);
    const isMore = perSecond > HARDLY_MORE * best;
    best = Math.max(best, perSecond);
    if (!isMore) break;
  }
  isOver = true;
  await Promise.all(callers);
  return best;
}

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
  const samples = await sustain(`${running.url}/settle`, bodiesOf(payments), perSecond, onAnswer, PATIENCE_MS);
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
    const text = await (await fetch(`${url}/metrics`)).text();
    const busy = text
      .split("\n")
      .some((line) => QUIET.some((name) => line.startsWith(`${name} `) && !line.endsWith(" 0")));
    if (!busy) return;
    await pause(250);
  }
}

/** The requests that were let in, and those that were refused at once. */
function parted(samples: readonly Sample[]) {
  const refused = samples.filter(({ status }) => status === 503);
  return { refused, answered: samples.filter(({ status }) => status !== 503) };
}

function report(capacity: number, before: number, loads: readonly Load[]) {
  const bars: Bar[] = [];
  const figures: Record<string, number> = { "overload capacity": round(capacity) };
  for (const load of loads) {
    const { times, samples, goodput, chargedUntold, toldUncharged, liveMiB } = load;
    const what = `overload, ${times} times the capacity for ${SECONDS} s`;
    const { refused, answered } = parted(samples);
    const unanswered = samples.filter(({ status }) => status === undefined).length;
    bars.push(
      atLeast(`${what}: settled a second, against the capacity`, goodput / capacity, 0.9, "of it"),
      atMost(`${what}: p95 of those who were let in`, percentile(answered, 0.95) / 1000, 10, "s"),
      atMost(`${what}: p99 of refusals`, percentile(refused, 0.99) / 1000, 0.5, "s"),
      atMost(`${what}: charged and not told`, chargedUntold, 0, "payers"),
      atMost(`${what}: told and not charged`, toldUncharged, 0, "payers"),
      atMost(`${what}: without an answer`, unanswered, 0, "callers"),
    );
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
      return [
        `${perSecond} (${times} times)`,
        samples.length,
        round(goodput),
        samples.filter(({ success }) => success).length,
        refused.length,
        percentile(answered, 0.5),
        percentile(answered, 0.95),
        percentile(answered, 1),
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
      "One facilitator for all of it, distinct authorizations of 1,000 payers, callers in a third process who do not wait for each " +
      "other; an answer that takes 60 s counts as none. The capacity is what it settles for as many callers as make a " +
      "difference, each of whom asks again when answered, or in a flood of twice that, whichever is more. Times are those of answers to who was let in, and of refusals. Who was " +
      `charged is read from the chain afterwards. It held on to ${Math.round(before)} MiB before.`,
  };
}

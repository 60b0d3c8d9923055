// The capacity of facilitators at 2 s blocks: the highest rate at which nothing fails and nearly everybody has an answer in time.
// Chain and facilitator have their own processes; the callers, who do not wait for each other, are in this one.
import type { FacilitatorKind, RunningFacilitator } from "./lib/facilitators.ts";
import { type FacilitatorLab, openFacilitatorLab } from "./lib/lab.ts";
import { bodiesOf, commonestReason, percentile, type Sample, successesOf, sustain } from "./lib/load.ts";
import { inU } from "./lib/machine.ts";
import { atLeast, atMost, round, type Subject } from "./lib/results.ts";
import { highestPassing, rateOf, stepNear } from "./lib/steps.ts";

const SECONDS = { quick: 10, full: 30 };
/** The official facilitator without nonceManager loses payments at any rate that matters: it has no capacity. */
const KINDS = ["Tributary", "official, nonceManager"] as const satisfies FacilitatorKind[];
const MOST_P95_MS = 3_000;
/** Where the search begins, as the time between payments in u. It changes how long the search takes, and not what it finds. */
const FIRST_U: Readonly<Record<FacilitatorKind, number>> = {
  Tributary: 40,
  "official, nonceManager": 90,
  official: 90,
};
const LEAST_OF_CHAIN = 0.6;
const LEAST_OF_OFFICIAL = 3;
/** Time between settlements at the capacity, in u: once 150 a second. */
const MOST_U = inU(1_000 / 150);

type Window = {
  readonly kind: FacilitatorKind;
  readonly perSecond: number;
  readonly samples: readonly Sample[];
  readonly passed: boolean;
};

/** The name of the figure that holds a facilitator's capacity, in settlements a second. */
export const capacityOf = (kind: FacilitatorKind): string => `capacity ${kind}`;

export const capacity: Subject = {
  name: "capacity",
  title: "Capacity",
  run: async ({ full, seed, tell, machine }) => {
    const seconds = full ? SECONDS.full : SECONDS.quick;
    const windows: Window[] = [];
    const figures: Record<string, number> = {};
    const lab = await openFacilitatorLab(seed, "capacity");
    try {
      for (const kind of KINDS) {
        const first = stepNear(1_000 / (FIRST_U[kind] * machine.uMs));
        const onWindow = (window: Window): void => {
          windows.push(window);
          tell(`${kind}, ${window.perSecond}/s: ${verdictOf(window)}`);
        };
        const step = await findCapacity(lab, kind, first, seconds, onWindow);
        figures[capacityOf(kind)] = step === undefined ? 0 : rateOf(step);
      }
    } finally {
      await lab.stop();
    }
    const [ours = 0, official = 0] = KINDS.map((kind) => figures[capacityOf(kind)]);
    return {
      figures,
      bars: [
        atLeast(
          "capacity: settlements a second, against what the chain alone mines",
          ours / machine.chainPerSecond,
          LEAST_OF_CHAIN,
          "of it",
        ),
        atLeast(
          "capacity: settlements a second, against the official facilitator with nonceManager",
          ours / official,
          LEAST_OF_OFFICIAL,
          "times",
        ),
        atMost("capacity: time between settlements", 1_000 / ours / machine.uMs, MOST_U, "u"),
      ],
      tables: [tableOf(windows, figures, seconds)],
      charts: [],
    };
  },
};

/** The highest step that passes. A facilitator that failed is replaced, since what it left behind is not the next window's. */
async function findCapacity(
  lab: FacilitatorLab,
  kind: FacilitatorKind,
  first: number,
  seconds: number,
  onWindow: (window: Window) => void,
): Promise<number | undefined> {
  let running: RunningFacilitator | undefined;
  try {
    return await highestPassing(first, async (step) => {
      if (running === undefined) {
        running = await lab.start(kind);
        // Otherwise a window would be lost to code that is not compiled yet.
        await lab.warmUp(running, Math.ceil(rateOf(step) / 2), 2);
      }
      const window = await measure(lab, running, rateOf(step), seconds);
      onWindow(window);
      if (!window.passed) {
        await running.stop();
        running = undefined;
      }
      return window.passed;
    });
  } finally {
    await running?.stop();
  }
}

/** Ends early once it can no longer pass. */
async function measure(
  lab: FacilitatorLab,
  running: RunningFacilitator,
  perSecond: number,
  seconds: number,
): Promise<Window> {
  await lab.warmUp(running, perSecond, 1);
  const { kind, url } = running;
  const bodies = bodiesOf(lab.next(perSecond * seconds));
  const lost = new AbortController();
  const heard: Sample[] = [];
  let late = 0;
  const onAnswer = (sample: Sample): void => {
    if (lost.signal.aborted) return;
    heard.push(sample);
    if (sample.ms > MOST_P95_MS) late += 1;
    if (!sample.success || late > bodies.length / 20) lost.abort();
  };
  await sustain(`${url}/settle`, bodies, perSecond, { onAnswer, signal: lost.signal });
  const passed = !lost.signal.aborted && percentile(heard, 0.95) <= MOST_P95_MS;
  return { kind, perSecond, samples: heard, passed };
}

function verdictOf({ passed, samples }: Window): string {
  if (passed) return "passes";
  return commonestReason(samples) ?? `p95 above ${MOST_P95_MS / 1_000} s`;
}

function tableOf(windows: readonly Window[], figures: Readonly<Record<string, number>>, seconds: number) {
  const found = KINDS.map((kind) => `${figures[capacityOf(kind)]} a second (${kind})`).join(", ");
  return {
    title: `Capacity at 2 s blocks: ${found}`,
    columns: ["facilitator", "asked a second", "answers", "settled, %", "p50, ms", "p95, ms", ""],
    rows: KINDS.flatMap((kind) =>
      windows.filter((window) => window.kind === kind).sort((a, b) => a.perSecond - b.perSecond),
    ).map((window) => {
      const { kind, perSecond, samples } = window;
      const settled = successesOf(samples);
      const share = round((settled.length / samples.length) * 100);
      const times = [percentile(settled, 0.5), percentile(settled, 0.95)];
      return [kind, perSecond, samples.length, share, ...times, verdictOf(window)];
    }),
    note:
      `The capacity is the highest rate, in steps of a tenth, at which ${seconds} s pass without a failure and 95 of 100 payments are ` +
      `answered within ${MOST_P95_MS / 1_000} s. The callers do not wait for each other. Before it is measured, a facilitator gets a low ` +
      "rate for three blocks, since it has to learn when blocks come, half of its first rate for two, and the rate of each window for " +
      "one. A window ends once it cannot pass any more, and a facilitator that failed is replaced. Facilitator, chain and callers " +
      "share the same cores.",
  };
}

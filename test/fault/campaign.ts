import { startAnvil } from "../helpers/anvil.ts";
import { type RunReport, runSeed } from "./run.ts";
import { GENESIS_SECONDS } from "./time.ts";
import type { Ground } from "./trial.ts";
import { createWorkerPool } from "./workers.ts";

export type Campaign = {
  readonly firstSeed: number;
  readonly runs: number;
  /** Runs at the same time, each with its own node. */
  readonly lanes: number;
  /** The time after which no run starts. */
  readonly budgetMs?: number;
  readonly onReport?: (report: RunReport) => void;
};

/** Runs seeds, a few at a time, and returns the outcome of each. */
export async function runCampaign({ firstSeed, runs, lanes, budgetMs, onReport }: Campaign): Promise<RunReport[]> {
  const began = Date.now();
  const pool = createWorkerPool(lanes);
  const grounds: Ground[] = [];
  const reports: RunReport[] = [];
  let next = 0;
  try {
    await Promise.all(
      Array.from({ length: lanes }, async () => {
        // The final block is eight behind the newest: deeper than any reorg of a run.
        const anvil = await startAnvil({ timestamp: BigInt(GENESIS_SECONDS - 100), slotsPerEpoch: 4 });
        const ground: Ground = { anvil, snapshot: await anvil.request("evm_snapshot") };
        grounds.push(ground);
        while (next < runs && (budgetMs === undefined || Date.now() - began < budgetMs)) {
          const seed = firstSeed + next;
          next += 1;
          const report = await runSeed(seed, ground, pool);
          reports.push(report);
          onReport?.(report);
        }
      }),
    );
  } finally {
    pool.close();
    await Promise.all(grounds.map(({ anvil }) => anvil.stop()));
  }
  return reports.sort((a, b) => a.seed - b.seed);
}

/** A campaign in a few lines. */
export function summarise(reports: readonly RunReport[]): string {
  const faults = new Map<string, number>();
  const kills = new Map<string, number>();
  const states = new Map<string, number>();
  const add = (map: Map<string, number>, name: string, count: number) => map.set(name, (map.get(name) ?? 0) + count);
  for (const report of reports) {
    for (const [name, count] of report.faults) add(faults, name, count);
    for (const name of report.kills) add(kills, name, 1);
    for (const [name, count] of Object.entries(report.verdict?.states ?? {})) add(states, name, count);
  }
  const total = (pick: (report: RunReport) => number) => reports.reduce((sum, report) => sum + pick(report), 0);
  const gas = (pick: "gasUsed" | "gasWasted") =>
    reports.reduce((sum, { verdict }) => sum + (verdict?.[pick] ?? 0n), 0n);
  const [used, wasted] = [gas("gasUsed"), gas("gasWasted")];
  const shares = reports
    .map(({ verdict }) => share(verdict?.gasWasted ?? 0n, verdict?.gasUsed ?? 0n))
    .sort((a, b) => a - b);
  return [
    `${reports.length} runs, ${total(({ payments }) => payments)} submissions, ${total(({ kills: k }) => k.length)} kills`,
    `outcomes: ${list(states)}`,
    `faults: ${list(faults)}`,
    `killed: ${list(kills)}`,
    `gas: ${used} used, ${wasted} wasted (${share(wasted, used)} %; run median ${shares[shares.length >> 1] ?? 0} %, worst ${shares.at(-1) ?? 0} %)`,
  ].join("\n");
}

/** The command that runs one seed again. */
export function replayCommand(seed: number): string {
  return `node test/fault/main.ts --seed ${seed}`;
}

function share(part: bigint, whole: bigint): number {
  return whole === 0n ? 0 : Number((part * 1000n) / whole) / 10;
}

function list(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .sort(([a], [b]) => a.localeCompare(b))
    .map(([name, count]) => `${name} ${count}`)
    .join(", ");
}

// The journal alone, on SQLite and PostgreSQL, both waiting for the disk.
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { type Journal, openJournal, type PaymentRow } from "../src/journal/index.ts";
import { startPostgres } from "../test/helpers/postgres.ts";
import { attemptOf, batchOf, chainId, lease, paymentOf, request } from "../test/src/journal/fixtures.ts";
import { round, type Subject } from "./lib/results.ts";

const SECONDS = { quick: 0.5, full: 5 };
const RATES = [150, 1_000] as const;
const CALLERS = 64;
const BATCH = 300;
/** The first calls compile code and fill caches. */
const WARM_UP = 200;

type Intake = {
  readonly name: string;
  readonly perSecond: number;
  readonly latencyMs: Spread;
  readonly loopP99Ms: number;
};
type Spread = { readonly p50: number; readonly p99: number; readonly max: number };
type Lifecycle = { readonly perSecond: number; readonly medianMs: Readonly<Record<string, number>> };

export const journal: Subject = {
  name: "journal",
  title: "Journal",
  run: async ({ full, tell }) => {
    const seconds = full ? SECONDS.full : SECONDS.quick;
    const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
    try {
      const measured: { journal: string; intakes: Intake[]; lifecycle: Lifecycle }[] = [];
      for (const journal of ["SQLite", "PostgreSQL"]) {
        tell(journal);
        const place =
          journal === "SQLite"
            ? join(folder, "journal.db")
            : await (await startPostgres({ durable: true })).createDatabase();
        const opened = await openJournal(place);
        try {
          measured.push({ journal, ...(await measure(opened, seconds)) });
        } finally {
          await opened.close();
        }
      }
      return report(measured);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

async function measure(opened: Journal, seconds: number): Promise<{ intakes: Intake[]; lifecycle: Lifecycle }> {
  const accept = acceptor(opened);
  for (let left = WARM_UP; left > 0; left -= 1) await accept();
  const intakes: Intake[] = [];
  for (const rate of RATES) intakes.push(await atRate(accept, rate, seconds));
  intakes.push(await flatOut(accept, seconds));
  return { intakes, lifecycle: await lifecycle(opened, seconds) };
}

/** Accepts one new payment per call. */
function acceptor(opened: Journal): () => Promise<PaymentRow> {
  let seeds = 0;
  return async () => {
    seeds += 1;
    const [accepted] = await opened.accept([paymentOf(seeds)], Date.now());
    if (accepted?.isNew !== true) throw new Error("not accepted");
    return accepted.row;
  };
}

/** Accepts payments one by one at a steady rate, as a server does, whether or not earlier calls were answered. */
async function atRate(accept: () => Promise<PaymentRow>, perSecond: number, seconds: number): Promise<Intake> {
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  for (let sent = 0; performance.now() - startedAt < seconds * 1000; ) {
    const due = ((performance.now() - startedAt) / 1000) * perSecond;
    for (; sent < due; sent += 1) {
      const from = performance.now();
      pending.push(accept().then(() => void latencies.push(performance.now() - from)));
    }
    await sleep(1);
  }
  await Promise.all(pending);
  const elapsedMs = performance.now() - startedAt;
  delay.disable();
  return {
    name: `${perSecond}/s`,
    perSecond: (latencies.length / elapsedMs) * 1000,
    latencyMs: spreadOf(latencies),
    loopP99Ms: delay.percentile(99) / 1e6,
  };
}

/** Callers that accept one payment after the other. */
async function flatOut(accept: () => Promise<PaymentRow>, seconds: number): Promise<Intake> {
  const latencies: number[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const startedAt = performance.now();
  const end = startedAt + seconds * 1000;
  const caller = async () => {
    while (performance.now() < end) {
      const from = performance.now();
      await accept();
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: CALLERS }, caller));
  delay.disable();
  return {
    name: `${CALLERS} callers`,
    perSecond: (latencies.length / (performance.now() - startedAt)) * 1000,
    latencyMs: spreadOf(latencies),
    loopP99Ms: delay.percentile(99) / 1e6,
  };
}

/** Payments through pick, batch, broadcast and conclusion, 300 to a batch. */
async function lifecycle(opened: Journal, seconds: number): Promise<Lifecycle> {
  const held = await lease(opened, { ttlMs: 1e13 });
  const times: Record<string, number[]> = {};
  const timed = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const from = performance.now();
    const value = await work;
    times[name] = [...(times[name] ?? []), performance.now() - from];
    return value;
  };
  const startedAt = performance.now();
  let settled = 0;
  for (let txNonce = 0; performance.now() - startedAt < seconds * 1000; txNonce += 1) {
    const nowMs = Date.now();
    const query = { chainId, owner: "engine", nowMs, untilMs: nowMs + 10_000, limit: BATCH };
    const rows = await timed("pick", opened.pick(query));
    if (rows.length === 0) break;
    const batch = batchOf(txNonce, [], { attempt: attemptOf(txNonce, rows) });
    if ((await timed("storeBatch", opened.storeBatch(held, batch, nowMs))) !== "stored") throw new Error("not stored");
    await timed("markBroadcast", opened.markBroadcast(held, batch.attempt.hash, nowMs));
    const transitions = rows.map(
      ({ id }) => ({ paymentId: id, from: ["submitted"], to: "settled", evidence: request }) as const,
    );
    const conclusion = { batchId: batch.id, state: "mined", receipt: undefined, transitions } as const;
    await timed("concludeBatch", opened.concludeBatch(held, conclusion, nowMs));
    settled += rows.length;
  }
  return {
    perSecond: (settled / (performance.now() - startedAt)) * 1000,
    medianMs: Object.fromEntries(Object.entries(times).map(([name, values]) => [name, spreadOf(values).p50])),
  };
}

function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (share: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function report(measured: readonly { journal: string; intakes: readonly Intake[]; lifecycle: Lifecycle }[]) {
  const figures: Record<string, number> = {};
  for (const {
    journal,
    intakes,
    lifecycle: { perSecond },
  } of measured) {
    figures[`journal accepted/s ${journal}`] = Math.round(intakes.at(-1)?.perSecond ?? Number.NaN);
    figures[`journal settled/s ${journal}`] = Math.round(perSecond);
  }
  const steps = Object.keys(measured[0]?.lifecycle.medianMs ?? {});
  return {
    figures,
    bars: [],
    charts: [],
    tables: [
      {
        title: "Payments accepted one by one",
        columns: ["journal", "load", "accepted/s", "p50, ms", "p99, ms", "longest, ms", "event loop p99, ms"],
        rows: measured.flatMap(({ journal, intakes }) =>
          intakes.map(({ name, perSecond, latencyMs, loopP99Ms }) => [
            journal,
            name,
            Math.round(perSecond),
            latencyMs.p50,
            latencyMs.p99,
            latencyMs.max,
            round(loopP99Ms),
          ]),
        ),
        note: "Until each is durable. The peers keep no journal. An idle event loop has a p99 of a little above 1 ms here.",
      },
      {
        title: `From the queue to settled, ${BATCH} to a batch`,
        columns: ["journal", "payments/s", ...steps.map((name) => `${name}, ms`)],
        rows: measured.map(({ journal, lifecycle: { perSecond, medianMs } }) => [
          journal,
          Math.round(perSecond),
          ...steps.map((name) => medianMs[name] ?? null),
        ]),
        note: "Each step is one commit; its median.",
      },
    ],
  };
}

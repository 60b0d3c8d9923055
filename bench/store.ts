// How much intake the journal takes: `node bench/store.ts [SECONDS]`, figures as JSON on standard output.
//
//  atRate      payments accepted one by one at a fixed rate, as an HTTP server would: latency until durable, and the
//              event loop's delay (of a timer of 1 ms, which counts: an idle process has a median of 1.1)
//  flatOut     64 callers that accept one payment after the other
//  lifecycle   payments through claim → storeBatch → markBroadcast → concludeBatch, 300 to a batch
import { mkdtempSync, rmSync } from "node:fs";
import { cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { monitorEventLoopDelay, performance } from "node:perf_hooks";
import { setTimeout as sleep } from "node:timers/promises";
import { openStore, type PaymentRow, type Store } from "../src/settlement/store/index.ts";
import { startPostgres } from "../test/helpers/postgres.ts";
import { attemptOf, batchOf, chainId, lease, paymentOf, request } from "../test/src/settlement/store/fixtures.ts";

const seconds = Number(process.argv[2] ?? 5);
let seeds = 0;

async function accept(store: Store): Promise<PaymentRow> {
  seeds += 1;
  const [accepted] = await store.accept([paymentOf(seeds)], Date.now());
  if (accepted?.isNew !== true) throw new Error("not accepted");
  return accepted.row;
}

/** Accepts at a rate, whether or not earlier calls were answered. */
async function atRate(store: Store, perSecond: number) {
  const latencies: number[] = [];
  const pending: Promise<void>[] = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  for (let sent = 0; performance.now() - started < seconds * 1000; ) {
    const due = ((performance.now() - started) / 1000) * perSecond;
    for (; sent < due; sent += 1) {
      const from = performance.now();
      pending.push(accept(store).then(() => void latencies.push(performance.now() - from)));
    }
    await sleep(1);
  }
  const intake = performance.now() - started;
  await Promise.all(pending);
  const drained = performance.now() - started - intake;
  delay.disable();
  return {
    wantedPerSecond: perSecond,
    acceptedPerSecond: Math.round((latencies.length / (intake + drained)) * 1000),
    latencyMs: percentiles(latencies),
    eventLoopDelayMs: {
      p50: round(delay.percentile(50) / 1e6),
      p99: round(delay.percentile(99) / 1e6),
      max: round(delay.max / 1e6),
    },
  };
}

async function flatOut(store: Store) {
  const latencies: number[] = [];
  const started = performance.now();
  const end = started + seconds * 1000;
  const caller = async () => {
    while (performance.now() < end) {
      const from = performance.now();
      await accept(store);
      latencies.push(performance.now() - from);
    }
  };
  await Promise.all(Array.from({ length: 64 }, caller));
  const perSecond = Math.round((latencies.length / (performance.now() - started)) * 1000);
  return { callers: 64, acceptedPerSecond: perSecond, latencyMs: percentiles(latencies) };
}

async function lifecycle(store: Store) {
  const held = await lease(store, { ttlMs: 1e13 });
  const times = { claim: [], storeBatch: [], markBroadcast: [], concludeBatch: [] } as Record<string, number[]>;
  const timed = async <T>(name: string, work: Promise<T>): Promise<T> => {
    const from = performance.now();
    const value = await work;
    times[name]?.push(performance.now() - from);
    return value;
  };
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const started = performance.now();
  let settled = 0;
  for (let txNonce = 0; performance.now() - started < seconds * 1000; txNonce += 1) {
    const nowMs = Date.now();
    const query = { chainId, owner: "engine", nowMs, untilMs: nowMs + 10_000, limit: 300 };
    const rows = await timed("claim", store.claim(query));
    if (rows.length === 0) break;
    const batch = batchOf(txNonce, [], { attempt: attemptOf(txNonce, rows) });
    if ((await timed("storeBatch", store.storeBatch(held, batch, nowMs))) !== "stored") throw new Error("not stored");
    await timed("markBroadcast", store.markBroadcast(held, batch.attempt.hash, nowMs));
    const transitions = rows.map(
      ({ id }) => ({ paymentId: id, from: ["submitted"], to: "settled", evidence: request }) as const,
    );
    const conclusion = { batchId: batch.id, state: "mined", receipt: undefined, transitions } as const;
    await timed("concludeBatch", store.concludeBatch(held, conclusion, nowMs));
    settled += rows.length;
  }
  delay.disable();
  return {
    settledPerSecond: Math.round((settled / (performance.now() - started)) * 1000),
    medianMs: Object.fromEntries(Object.entries(times).map(([name, values]) => [name, percentiles(values).p50])),
    eventLoopDelayMs: { p99: round(delay.percentile(99) / 1e6), max: round(delay.max / 1e6) },
  };
}

function percentiles(values: readonly number[]) {
  const sorted = [...values].sort((a, b) => a - b);
  const at = (part: number) => round(sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? 0);
  return { p50: at(0.5), p99: at(0.99), max: at(1) };
}

function round(value: number): number {
  return Math.round(value * 100) / 100;
}

async function measure(store: Store) {
  // The first calls compile code and fill caches.
  for (let left = 200; left > 0; left -= 1) await accept(store);
  const rates = [await atRate(store, 150), await atRate(store, 1_000)];
  return { atRate: rates, flatOut: await flatOut(store), lifecycle: await lifecycle(store) };
}

const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
try {
  const sqlite = await openStore(join(folder, "journal.db"));
  const sqliteFigures = await measure(sqlite);
  await sqlite.close();
  const server = await startPostgres({ durable: true });
  const postgres = await openStore(await server.createDatabase());
  const postgresFigures = await measure(postgres);
  await postgres.close();
  const machine = { node: process.version, cpus: cpus().length, secondsEach: seconds };
  console.log(JSON.stringify({ machine, sqlite: sqliteFigures, postgres: postgresFigures }, null, 2));
} finally {
  rmSync(folder, { recursive: true, force: true });
}

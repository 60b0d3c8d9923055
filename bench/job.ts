// Jobs: `tributary settle` of a file, as an operator runs it, against a chain in another process that mines every transaction
// at once. Also the peers, and the same transactions sent to the chain alone, which shows the chain's part of the time.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Client } from "pg";
import type { Hex } from "viem";
import { z } from "zod";
import { serialiseAuthorization } from "../src/authorization/serialise.ts";
import type { SignedAuthorization } from "../src/authorization/types.ts";
import { startPostgres } from "../test/helpers/postgres.ts";
import { inU } from "./lib/machine.ts";
import { openMint } from "./lib/payments.ts";
import { settleOneByOne, settleWithMulticall } from "./lib/peers.ts";
import { startMeasured, type Usage } from "./lib/processes.ts";
import { type RemoteChain, startRemoteChain } from "./lib/remoteChain.ts";
import { atMost, round, type Subject } from "./lib/results.ts";
import { setBalances } from "./lib/token.ts";
import { WAY } from "./lib/ways.ts";

type Size = { readonly count: number; readonly journal: "SQLite" | "PostgreSQL" };

const QUICK: readonly Size[] = [
  { count: 1_000, journal: "SQLite" },
  { count: 10_000, journal: "SQLite" },
  { count: 2_000, journal: "PostgreSQL" },
];
const FULL: readonly Size[] = [
  { count: 1_000, journal: "SQLite" },
  { count: 10_000, journal: "SQLite" },
  { count: 100_000, journal: "SQLite" },
  { count: 1_000, journal: "PostgreSQL" },
  { count: 10_000, journal: "PostgreSQL" },
  { count: 100_000, journal: "PostgreSQL" },
];
const PEER_PAYMENTS = { quick: { single: 300, multicall: 3_000 }, full: { single: 2_000, multicall: 10_000 } };
/** Time of a payment in a job, in u: once 400 payments a second. */
const MOST_U = inU(1_000 / 400);
/** A job of ten times the size takes ten times as long, times this tolerance. */
const LINEAR = 1.25;

type Run = Size & {
  readonly seconds: number;
  readonly transactions: number;
  readonly gas: number;
  readonly journalWrites: number;
  readonly chainSeconds: number;
  readonly chainCpuSeconds: number;
  readonly usage: Usage;
};

export const job: Subject = {
  name: "job",
  title: "Jobs",
  run: async ({ full, seed, tell, machine }) => {
    const sizes = full ? FULL : QUICK;
    const largest = Math.max(...sizes.map(({ count }) => count));
    const mint = openMint(seed, "job");
    tell(`signing ${largest} payments`);
    const payments = mint.payments(shapeOf(largest));
    const folder = mkdtempSync(join(tmpdir(), "tributary-bench-"));
    const chain = await startRemoteChain(0);
    try {
      await setBalances(chain.request, mint.parties(shapeOf(largest)), 10n ** 12n);
      const postgres = await startPostgres({ durable: true });
      const runs: Run[] = [];
      for (const size of sizes) {
        tell(`${size.count} payments, ${size.journal}`);
        const journal = size.journal === "SQLite" ? join(folder, `${runs.length}.db`) : await postgres.createDatabase();
        runs.push(await settle(chain, folder, journal, size, payments.slice(0, size.count)));
      }
      tell("peers");
      const peers = await measurePeers(chain, payments, full ? PEER_PAYMENTS.full : PEER_PAYMENTS.quick);
      return report(runs, peers, machine.uMs);
    } finally {
      await chain.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

function shapeOf(count: number) {
  return { count, payers: Math.ceil(count / 10), payees: Math.ceil(count / 100) };
}

const summary = z.object({
  settledNow: z.object({ count: z.number() }),
  gasUsed: z.string(),
  sent: z.array(z.object({ hash: z.string() })),
});

async function settle(
  chain: RemoteChain,
  folder: string,
  journal: string,
  size: Size,
  payments: readonly SignedAuthorization[],
): Promise<Run> {
  const file = join(folder, "payments.jsonl");
  writeFileSync(file, payments.map((payment) => `${serialiseAuthorization(payment)}\n`).join(""));
  const snapshot = await chain.request("evm_snapshot");
  const key = chain.accounts[19]!.privateKey;
  const out = join(folder, `${payments.length}.results.jsonl`);
  await chain.begin();
  const startedAt = performance.now();
  const cli = startMeasured(
    "scripts/tributary.ts",
    ["settle", file, "--rpc-url", chain.rpcUrl, "--json", "--out", out],
    {
      PRIVATE_KEY: key,
      DATABASE_URL: journal,
    },
  );
  let usage: Usage | undefined;
  const sample = setInterval(() => {
    void cli.usage().then(
      (now) => {
        usage = now;
      },
      () => undefined,
    );
  }, 250);
  const { code, stdout, stderr } = await cli.ended();
  clearInterval(sample);
  const seconds = (performance.now() - startedAt) / 1000;
  const { cpuSeconds: chainCpuSeconds } = await chain.usage();
  if (code !== 0 || usage === undefined) throw new Error(`tributary settle ended with ${code}: ${stderr}`);
  const { settledNow, gasUsed, sent } = summary.parse(JSON.parse(stdout));
  if (settledNow.count !== payments.length) throw new Error(`${settledNow.count} of ${payments.length} settled`);
  const journalWrites = await countWrites(journal);
  const chainSeconds = await replay(
    chain,
    snapshot,
    sent.map(({ hash }) => hash),
  );
  const gas = Number(gasUsed);
  return { ...size, seconds, transactions: sent.length, gas, journalWrites, chainSeconds, chainCpuSeconds, usage };
}

const transaction = z.object({ to: z.string(), input: z.string(), gas: z.string() });

/** Reverts the chain and sends it the same transactions again, one after the other: the time that the chain needs. */
async function replay(chain: RemoteChain, snapshot: unknown, hashes: readonly string[]): Promise<number> {
  const calls = [];
  for (const hash of hashes) {
    const { to, input, gas } = transaction.parse(await chain.request("eth_getTransactionByHash", [hash]));
    calls.push({ from: chain.accounts[18]!.address, to, data: input, gas });
  }
  await chain.request("evm_revert", [snapshot]);
  const again = await chain.request("evm_snapshot");
  const startedAt = performance.now();
  for (const call of calls) await chain.request("eth_sendTransaction", [call]);
  const seconds = (performance.now() - startedAt) / 1000;
  await chain.request("evm_revert", [again]);
  return seconds;
}

/** Every change of a payment's state, every batch and every signed transaction that the journal holds. */
async function countWrites(journal: string): Promise<number> {
  const tables = ["history", "batches", "attempts"];
  if (!journal.startsWith("postgres:")) {
    const database = new DatabaseSync(journal, { readOnly: true });
    try {
      return tables.reduce((sum, table) => {
        return sum + Number(database.prepare(`select count(*) as n from ${table}`).get()?.n ?? 0);
      }, 0);
    } finally {
      database.close();
    }
  }
  const client = new Client({ connectionString: journal });
  await client.connect();
  try {
    let sum = 0;
    for (const table of tables)
      sum += Number((await client.query(`select count(*) as n from ${table}`)).rows[0]?.n ?? 0);
    return sum;
  } finally {
    await client.end();
  }
}

type Peer = { readonly way: string; readonly count: number; readonly seconds: number; readonly gas: number };

async function measurePeers(
  chain: RemoteChain,
  payments: readonly SignedAuthorization[],
  counts: { readonly single: number; readonly multicall: number },
): Promise<Peer[]> {
  const peers: Peer[] = [];
  const timed = async (
    way: string,
    key: Hex,
    some: readonly SignedAuthorization[],
    settleSome: typeof settleOneByOne,
  ) => {
    const snapshot = await chain.request("evm_snapshot");
    const startedAt = performance.now();
    const { settled, gas } = await settleSome(chain.rpcUrl, key, some);
    const seconds = (performance.now() - startedAt) / 1000;
    if (settled !== some.length) throw new Error(`${way}: ${settled} of ${some.length} settled`);
    peers.push({ way, count: some.length, seconds, gas });
    await chain.request("evm_revert", [snapshot]);
  };
  // Separate keys, because viem's nonceManager remembers transactions that were taken back.
  const [single, multicall] = [chain.accounts[16]!.privateKey, chain.accounts[17]!.privateKey];
  await timed(WAY.single, single, payments.slice(0, counts.single), settleOneByOne);
  await timed(WAY.multicall, multicall, payments.slice(0, counts.multicall), settleWithMulticall);
  return peers;
}

function report(runs: readonly Run[], peers: readonly Peer[], uMs: number) {
  const figures: Record<string, number> = {};
  for (const { count, journal, seconds, usage } of runs) {
    figures[`job payments/s ${count} ${journal}`] = round(count / seconds);
    figures[`job MiB ${count} ${journal}`] = Math.round(usage.mostRssMiB);
  }
  for (const { way, count, seconds } of peers) figures[`job payments/s ${way}`] = round(count / seconds);
  const onSqlite = runs.filter(({ journal }) => journal === "SQLite");
  const [before, last] = onSqlite.slice(-2);
  if (before === undefined || last === undefined) throw new Error("a job has two sizes at least");
  const growth = last.seconds / last.count / (before.seconds / before.count);
  // The largest job knows it best.
  const chainRate = Math.round(last.count / last.chainSeconds);
  const sizes = onSqlite.map(({ count }) => count.toLocaleString("en"));
  return {
    figures,
    bars: [
      ...onSqlite
        .filter(({ count }) => count >= 10_000)
        .map(({ count, seconds }) =>
          atMost(
            `job of ${count.toLocaleString("en")}, SQLite: time of a payment`,
            (seconds * 1_000) / count / uMs,
            MOST_U,
            "u",
          ),
        ),
      atMost(`job: time per payment, ${sizes.at(-1)} against ${sizes.at(-2)} (linear is 1)`, growth, LINEAR, "times"),
    ],
    tables: [
      {
        title: "`tributary settle`",
        columns: [
          "payments",
          "journal",
          "seconds",
          "payments/s",
          "transactions",
          "gas of a payment",
          "journal writes/s",
          "most memory, MiB",
          "processor, s",
          "the chain's processor, s",
          "the chain alone, s",
          "the chain's share",
        ],
        rows: runs.map((run) => [
          run.count,
          run.journal,
          round(run.seconds),
          Math.round(run.count / run.seconds),
          run.transactions,
          Math.round(run.gas / run.count),
          Math.round(run.journalWrites / run.seconds),
          Math.round(run.usage.mostRssMiB),
          round(run.usage.cpuSeconds),
          round(run.chainCpuSeconds),
          round(run.chainSeconds),
          `${Math.round((run.chainSeconds / run.seconds) * 100)} %`,
        ]),
        note:
          "The whole command, from its start to its results. A tenth as many payers as payments, a hundredth as many payees. " +
          "A journal write is a change of a payment's state, a batch or a signed transaction; both journals wait for the disk. " +
          '"The chain alone" is the time that the same transactions take when they are handed to it one after the other.',
      },
      {
        title: "The peers",
        columns: ["way", "payments", "seconds", "payments/s", "gas of a payment"],
        rows: peers.map(({ way, count, seconds, gas }) => [
          way,
          count,
          round(seconds),
          Math.round(count / seconds),
          Math.round(gas / count),
        ]),
        note:
          "No journal, no check of signatures, balances or outcomes beyond the receipt: what is lost in a crash is lost. One " +
          "transaction per payment has viem's own estimates and its nonceManager; they are sent in order.",
      },
    ],
    charts: [
      {
        file: "job",
        title: "Payments settled in a second, every transaction mined at once",
        kind: "bar" as const,
        x: { name: "" },
        y: { name: "payments/s" },
        series: [
          {
            name: "payments/s",
            points: [
              ...peers.map(({ way, count, seconds }) => [way, Math.round(count / seconds)] as const),
              ...runs.map((run) => [labelOf(run), Math.round(run.count / run.seconds)] as const),
            ],
          },
        ],
        floor: {
          name: "the chain alone, with Tributary's transactions",
          points: [
            ...peers.map(({ way }) => [way, chainRate] as const),
            ...runs.map((run) => [labelOf(run), chainRate] as const),
          ],
        },
      },
    ],
  };
}

function labelOf({ count, journal }: Size): string {
  return `${count.toLocaleString("en")}, ${journal}`;
}

import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../helpers/chainLab.ts";
import { type Running, spawnCommand, startCommand, withFolder } from "../../helpers/cli.ts";
import { inJournal, readLines, writePayments } from "../../helpers/journalCli.ts";

describe("settle, interrupted", () => {
  let lab: ChainLab;
  let running: Running | undefined;
  before(async () => {
    lab = await openChainLab({ blockTimeSeconds: 3_600 });
  });
  after(() => lab.chain.stop());
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  /** Starts to settle 40 payments, and waits until the journal holds so many of them in each state. */
  async function withJob(
    rpcUrl: string,
    states: Readonly<Record<string, number>>,
    start: (args: readonly string[]) => Running,
    body: (job: Running, statuses: () => unknown[]) => Promise<void>,
  ): Promise<void> {
    await withFolder(async (folder) => {
      const [journal, payee] = [join(folder, "journal.db"), freshAddress(2_800)];
      const file = writePayments(folder, await lab.pay(40, payee));
      const args = ["settle", file, "--rpc-url", rpcUrl, "--journal", journal, "--json"];
      const job = start([...args, "--max-in-flight", "1", "--max-gas", "500000"]);
      running = job;
      await job.until(() =>
        inJournal(journal, async (journal) => {
          const counts: Readonly<Record<string, number>> = await journal.count();
          return Object.entries(states).every(([state, least]) => (counts[state] ?? 0) >= least);
        }),
      );
      await body(job, () => readLines(`${file}.results.jsonl`).map(({ status }) => status));
    });
  }

  for (const [signal, start] of [
    ["SIGINT", spawnCommand],
    ["SIGTERM", startCommand],
    ["SIGHUP", startCommand],
  ] as const) {
    it(`says at ${signal} what it waits for, and exits with 4`, async () => {
      await withJob(lab.chain.rpcUrl, { submitted: 1, queued: 1 }, start, async (job, statuses) => {
        expect(await job.stop(signal)).to.equal(4);
        expect(job.stderr()).to.include("stopping: no more payments are accepted\n");
        expect(job.stderr()).to.include("stopping: waiting up to 5 s for 1 transaction on the way");
        expect(JSON.parse(job.stdout())).to.deep.include({ interrupted: true, stopped: null });
        expect(new Set(statuses())).to.deep.equal(new Set(["pending", "not-attempted"]));
      });
      await lab.chain.request("evm_mine");
    });
  }

  it("exits with 4 if nothing is on its way and something was not attempted", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getTransactionCount" ? { error: { code: -32_000, message: "not now" } } : "pass",
    );
    try {
      await withJob(node.rpcUrl, { queued: 40 }, startCommand, async (job, statuses) => {
        expect(await job.stop("SIGINT")).to.equal(4);
        expect(job.stderr()).to.include("stopping: nothing is on its way\n");
        expect(statuses()).to.deep.equal(Array.from({ length: 40 }, () => "not-attempted"));
      });
    } finally {
      await node.stop();
    }
  });
});

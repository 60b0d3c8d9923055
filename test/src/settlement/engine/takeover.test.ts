import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../../src/chain/client.ts";
import { openJournal } from "../../../../src/journal/index.ts";
import { createSettlementEngine } from "../../../../src/settlement/engine/engine.ts";
import { SenderHeldError } from "../../../../src/settlement/engine/errors.ts";
import { type Blow, type DuelReport, duel } from "../../../fault/duel.ts";
import { GENESIS_SECONDS } from "../../../fault/time.ts";
import type { Ground } from "../../../fault/trial.ts";
import { createWorkerPool, type WorkerPool } from "../../../fault/workers.ts";
import { CHAIN_ID, startAnvil } from "../../../helpers/anvil.ts";
import { sharedPostgres } from "../../../helpers/postgres.ts";
import { runs, seed } from "../../../helpers/randomness.ts";

const { numRuns } = runs(2, 25);

for (const database of ["SQLite", "PostgreSQL"] as const) {
  describe(`two engines with one key on one journal (${database})`, () => {
    let ground: Ground;
    let pool: WorkerPool;
    let folder: string;

    before(async () => {
      folder = await mkdtemp(join(tmpdir(), "tributary-takeover-"));
      const anvil = await startAnvil({ timestamp: BigInt(GENESIS_SECONDS - 100) });
      ground = { anvil, snapshot: await anvil.request("evm_snapshot") };
      pool = createWorkerPool(2);
    });
    after(async () => {
      pool?.close();
      await ground?.anvil.stop();
      await rm(folder, { recursive: true, force: true });
    });

    let journals = 0;
    async function newJournal(): Promise<string> {
      if (database === "PostgreSQL") return (await sharedPostgres()).createDatabase();
      journals += 1;
      return join(folder, `journal-${journals}.db`);
    }

    async function fought(duelSeed: number, blow: Blow): Promise<DuelReport> {
      for (;;) {
        const report = await duel(duelSeed, blow, { ground, pool, journal: await newJournal() });
        if (report !== "locked") return report;
      }
    }

    it("refuses the second one with a clear message", async () => {
      const { anvil } = ground;
      const client = await connectChain(anvil.rpcUrl, { expectedChainId: CHAIN_ID });
      const account = privateKeyToAccount(anvil.accounts[5]!.privateKey);
      const journal = await newJournal();
      const [one, two] = [await openJournal(journal), await openJournal(journal)];
      const options = { chain: { client }, senders: [account] };
      const engine = await createSettlementEngine({ ...options, journal: one });
      try {
        const error = await createSettlementEngine({ ...options, journal: two }).then(
          () => undefined,
          (reason: unknown) => reason,
        );
        expect(error).to.be.instanceOf(SenderHeldError);
        expect((error as SenderHeldError).shortMessage).to.include(
          `Another engine sends from ${account.address}: process `,
        );
        expect((error as SenderHeldError).hint).to.include(
          `Stop process ${process.pid}, or give this one another key.`,
        );
      } finally {
        await engine.close();
      }
      // Once closed properly, the first one frees the key at once.
      await (await createSettlementEngine({ ...options, journal: two })).close();
      await one.close();
      await two.close();
    });

    for (const how of ["SIGKILL", "SIGSTOP"] as const) {
      const what =
        how === "SIGKILL"
          ? "takes over the lease of a killed one and finds its transactions"
          : "lets one that was stopped past its lease and continued send nothing";
      it(`${what}, seeds ${seed} to ${seed + numRuns - 1}`, async () => {
        for (let i = 0; i < numRuns; i += 1) {
          const report = await fought(seed + i, { how, afterSends: 1 + (i % 2) });
          expect(report.verdict.violations, `seed ${seed + i}`).to.deep.equal([]);
          expect(report.sentBefore, `seed ${seed + i}`).to.equal(1 + (i % 2));
          expect(report.sentAfter, `seed ${seed + i}: sent after it was hit`).to.equal(0);
        }
      });
    }
  });
}

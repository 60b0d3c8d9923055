import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { type RunningProcess, runCli, withFolder } from "../helpers/cli.ts";
import { authorize, BLOCK_SECONDS, bodyV2, PAYEE, payerOf, post } from "../helpers/facilitator.ts";
import { type RunningFacilitator, spawnFacilitatorCli } from "../helpers/facilitatorCli.ts";
import { inJournal, readLines, writePayments } from "../helpers/journalCli.ts";

const COUNT = 40;

describe("a facilitator and a settle on one SQLite journal", () => {
  let lab: ChainLab;
  let running: RunningFacilitator<RunningProcess> | undefined;
  before(async () => {
    lab = await openChainLab({ blockTimeSeconds: BLOCK_SECONDS });
  });
  after(async () => {
    await running?.stop("SIGKILL");
    await lab.chain.stop();
  });

  it("settle every payment once, whichever of them sends it, and both learn its outcome", async () => {
    await withFolder(async (folder) => {
      const [journal, payee] = [join(folder, "journal.db"), freshAddress(3_100)];
      // Accepts everything, however slow the machine is. Refusals under overload have their own test.
      const patient = ["--admit-within", "85", "--answer-within", "85"];
      const facilitator = await spawnFacilitatorCli(patient, { RPC_URL: lab.chain.rpcUrl, DATABASE_URL: journal });
      running = facilitator;
      const payer = payerOf(3_101);
      await lab.chain.fund(payer.address, 1_000_000n);
      const before = await lab.balanceOf(PAYEE);
      const signed = await Promise.all(Array.from({ length: COUNT }, () => authorize(payer)));
      const value = signed.reduce((sum, one) => sum + one.value, 0n);
      const file = writePayments(folder, await lab.pay(COUNT, payee));
      const [job, answers] = await Promise.all([
        runCli(["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", journal, "--json"]),
        Promise.all(signed.map((one) => post(`${facilitator.summary.url}/settle`, bodyV2(one)))),
      ]);
      expect(job.code, job.stderr).to.equal(0);
      expect(answers.map(({ body }) => body.success)).to.deep.equal(new Array(COUNT).fill(true));
      expect(readLines(`${file}.results.jsonl`).map(({ status }) => status)).to.deep.equal(
        new Array(COUNT).fill("settled"),
      );
      expect(await lab.balanceOf(PAYEE)).to.equal(before + value);
      expect(await lab.balanceOf(payee)).to.equal(BigInt(COUNT) * 1_000n + (BigInt(COUNT) * BigInt(COUNT - 1)) / 2n);
      await inJournal(journal, async (journal) => {
        expect(await journal.count()).to.deep.equal({ settled: 2 * COUNT });
        for (const { id, batchId, evidence } of await journal.list({ limit: 3 * COUNT })) {
          const batched = (await journal.history(id)).filter(({ to }) => to === "batched");
          expect(batched.map((step) => step.evidence)).to.have.lengthOf(1);
          expect(batched[0]?.evidence).to.include({ batchId });
          expect(evidence.kind).to.equal("transfer");
        }
        expect(await journal.senders(lab.client.chain.id)).to.have.lengthOf(2);
      });

      expect(await facilitator.stop()).to.equal(0);
    });
  });
});

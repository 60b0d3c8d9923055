import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli, withFolder } from "../helpers/cli.ts";
import { inJournal, settleAndStop, writePayments } from "../helpers/journalCli.ts";

describe("cancel", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab({ blockTimeSeconds: 3_600 });
  });
  after(() => lab.chain.stop());

  const settle = (file: string, journal: string) =>
    runCli(["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", journal, "--wait", "10"]);

  it("takes a payment out of the queue until it is retried", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const to = freshAddress(2_200);
      const now = await lab.chain.now();
      const authorization = await lab.chain.sign(lab.keyOf(1), { to, value: 5n, validAfter: now + 600n });
      const file = writePayments(folder, [{ line: 1, authorization }]);
      expect((await settle(file, journal)).stdout).to.match(/not valid yet +1/);

      const cancelled = await runCli(["cancel", authorization.nonce, "--journal", journal]);
      expect(cancelled).to.include({ code: 0, stdout: "payment 1: taken out of the queue\n" });
      await inJournal(journal, async (journal) => {
        const row = await journal.payment(1);
        expect([row?.state, row?.evidence]).to.deep.equal(["cancelled", { kind: "request", by: "tributary cancel" }]);
      });
      const again = await settle(file, journal);
      expect(again.code).to.equal(3);
      expect(again.stdout).to.match(/not attempted, run again +1/);

      expect((await runCli(["retry", "1", "--journal", journal])).code).to.equal(0);
      await inJournal(journal, async (journal) => expect(await journal.count()).to.deep.equal({ queued: 1 }));
    });
  });

  it("says that a sent payment cannot be cancelled", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const to = freshAddress(2_201);
      const file = writePayments(folder, await lab.pay(2, to));
      expect(await settleAndStop(file, lab.chain.rpcUrl, journal)).to.equal(4);
      const refused = await runCli(["cancel", "1", "--journal", journal, "--json"]);
      expect(refused.code).to.equal(3);
      expect(JSON.parse(refused.stdout)).to.deep.equal({
        id: 1,
        cancelled: false,
        why: "not cancelled: it is submitted, and a transaction that is signed may be mined at any moment",
      });
      await lab.chain.request("evm_mine");
      expect((await settle(file, journal)).code).to.equal(0);
      const late = await runCli(["cancel", "1", "--journal", journal]);
      expect(late).to.include({ code: 3, stdout: "payment 1: not cancelled: it is settled already\n" });
      expect(await lab.balanceOf(to)).to.equal(2_001n);
    });
  });
});

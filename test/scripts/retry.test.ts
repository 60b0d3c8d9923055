import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli, startCommand, withFolder } from "../helpers/cli.ts";
import { inJournal, writePayments } from "../helpers/journalCli.ts";

describe("retry", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  /** A journal with one settled payment, and two of payers who have nothing. */
  async function withRejected(payee: number, body: (journal: string, folder: string) => Promise<void>): Promise<void> {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const to = freshAddress(payee);
      const poor = await Promise.all([15, 16].map((key) => lab.chain.sign(lab.keyOf(key), { to, value: 5n })));
      const all = [...(await lab.pay(1, to)), ...poor.map((authorization, i) => ({ line: i + 2, authorization }))];
      const args = ["settle", writePayments(folder, all), "--rpc-url", lab.chain.rpcUrl, "--journal", journal];
      expect((await runCli(args)).code).to.equal(3);
      await body(journal, folder);
    });
  }

  it("puts a rejected payment back into the queue, with a note in its history", async () => {
    await withRejected(2_100, async (journal) => {
      const { code, stdout } = await runCli(["retry", "2", "--journal", journal]);
      expect(code).to.equal(0);
      expect(stdout).to.equal("payment 2: put back into the queue\n");
      await inJournal(journal, async (journal) => {
        expect(await journal.count()).to.deep.equal({ queued: 1, rejected: 1, settled: 1 });
        expect((await journal.history(2)).at(-1)?.evidence).to.deep.equal({ kind: "request", by: "tributary retry" });
      });
    });
  });

  it("leaves a settled payment alone and exits with 3", async () => {
    await withRejected(2_101, async (journal) => {
      const { code, stdout } = await runCli(["retry", "1", "2", "--journal", journal, "--json"]);
      expect(code).to.equal(3);
      const answers = stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line));
      expect(answers.map(({ id, requeued }) => [id, requeued])).to.deep.equal([
        [1, false],
        [2, true],
      ]);
    });
  });

  it("changes nothing if one of the payments is unknown, and neither does cancel", async () => {
    await withRejected(2_104, async (journal) => {
      for (const command of ["retry", "cancel"]) {
        const { code, stdout, stderr } = await runCli([command, "2", "99", "--journal", journal]);
        expect([code, stdout]).to.deep.equal([2, ""]);
        expect(stderr).to.include("The journal has no payment 99.");
      }
      await inJournal(journal, async (journal) => {
        expect(await journal.count()).to.deep.equal({ rejected: 2, settled: 1 });
      });
    });
  });

  it("retries all, or all of one reason", async () => {
    await withRejected(2_102, async (journal) => {
      const other = await runCli(["retry", "--all-rejected", "--reason", "blocked", "--journal", journal]);
      expect(other.stdout).to.equal("0 payments put back into the queue\n");
      const all = await runCli(["retry", "--all-rejected", "--reason", "underfunded", "--journal", journal, "--json"]);
      expect(JSON.parse(all.stdout)).to.deep.equal({ requeued: 2 });
    });
  });

  it("is sent by an engine that runs on the journal", async () => {
    await withRejected(2_103, async (journal, folder) => {
      const args = ["settle", "--watch", "-", "--rpc-url", lab.chain.rpcUrl, "--journal", journal];
      const watching = startCommand([...args, "--out", join(folder, "watch.results")]);
      await watching.until(() => watching.stdout().includes("watching"));
      await lab.chain.fund(lab.keyOf(16).address, 5n);
      expect((await runCli(["retry", "3", "--journal", journal])).code).to.equal(0);
      await watching.until(() =>
        inJournal(journal, async (journal) => (await journal.payment(3))?.state === "settled"),
      );
      expect(await watching.stop()).to.equal(0);
      expect(await lab.balanceOf(freshAddress(2_103))).to.equal(1_005n);
    });
  });

  it("asks what to retry", async () => {
    for (const args of [["retry"], ["retry", "1", "--all-rejected"], ["retry", "1", "--reason", "blocked"]]) {
      expect((await runCli([...args, "--journal", ":memory:"])).code).to.equal(2);
    }
  });
});

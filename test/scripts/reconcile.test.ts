import { join } from "node:path";
import { expect } from "chai";
import { openJournal } from "../../src/journal/index.ts";
import { settlePayments } from "../../src/settlement/job/job.ts";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli, withFolder } from "../helpers/cli.ts";
import { writePayments } from "../helpers/journalCli.ts";
import { sharedPostgres } from "../helpers/postgres.ts";

describe("reconcile command", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  const settleOutside = async (payee: `0x${string}`): Promise<void> => {
    const other = await openJournal(":memory:");
    await settlePayments(lab.client, { payments: await lab.pay(1, payee), journal: other, senders: [lab.account] });
    await other.close();
  };

  it("exits with 0 if nothing drifts, and with 5 if something does", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const payee = freshAddress(2_600);
      const file = writePayments(folder, await lab.pay(6, payee));
      const common = ["--rpc-url", lab.chain.rpcUrl, "--journal", journal];
      expect((await runCli(["settle", file, ...common])).code).to.equal(0);
      const well = await runCli(["reconcile", "--from-block", "0", ...common]);
      expect(well.code, well.stderr).to.equal(0);
      expect(well.stdout)
        .to.match(/in the journal and on the chain +6 +0\.006015/)
        .and.include("drift: 0");

      await settleOutside(payee);
      const off = await runCli(["reconcile", "--from-block", "0", ...common, "--json"]);
      expect(off.code).to.equal(5);
      expect(JSON.parse(off.stdout)).to.deep.include({ drift: 3, onlyOnChain: { count: 1, value: "1000" } });
      const text = await runCli(["reconcile", "--from-block", "0", ...common]);
      expect(text.code).to.equal(5);
      expect(text.stdout).to.include("only-on-chain: 0.001 USDC from").and.include("drift: 3");
    });
  });

  it("refuses blocks that do not exist", async () => {
    await withFolder(async (folder) => {
      const args = ["--rpc-url", lab.chain.rpcUrl, "--journal", join(folder, "none.db")];
      const { code, stderr } = await runCli(["reconcile", "--from-block", "5", "--to-block", "99999", ...args]);
      expect(code).to.equal(2);
      expect(stderr).to.include("There are no blocks 5 to 99999");
    });
  });

  it("does the same from a PostgreSQL journal, as do settle, status and export", async () => {
    const env = { DATABASE_URL: await (await sharedPostgres()).createDatabase() };
    await withFolder(async (folder) => {
      const payee = freshAddress(2_601);
      const file = writePayments(folder, await lab.pay(5, payee));
      const rpc = ["--rpc-url", lab.chain.rpcUrl];
      const settled = await runCli(["settle", file, ...rpc], { env });
      expect(settled.code, settled.stderr).to.equal(0);
      expect(await lab.balanceOf(payee)).to.equal(5_010n);
      expect(JSON.parse((await runCli(["status", "--json"], { env })).stdout).states).to.include({ settled: 5 });
      expect((await runCli(["export"], { env })).stdout.trimEnd().split("\n")).to.have.lengthOf(6);
      const { code, stdout, stderr } = await runCli(["reconcile", "--from-block", "0", ...rpc, "--json"], { env });
      expect(code, stderr).to.equal(0);
      expect(JSON.parse(stdout)).to.deep.include({ drift: 0, matched: { count: 5, value: "5010" } });
    });
  });
});

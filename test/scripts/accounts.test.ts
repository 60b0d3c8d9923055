import { hostname } from "node:os";
import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli, startCommand, withFolder } from "../helpers/cli.ts";
import { inJournal, settleAndStop, writePayments } from "../helpers/journalCli.ts";

describe("accounts", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab({ blockTimeSeconds: 3_600 });
  });
  after(() => lab.chain.stop());

  it("shows txNonce, balance, what is in flight and who has the lease", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const common = ["--rpc-url", lab.chain.rpcUrl, "--journal", journal];
      const file = writePayments(folder, await lab.pay(3, freshAddress(2_300)));
      expect(await settleAndStop(file, lab.chain.rpcUrl, journal)).to.equal(4);
      const first = JSON.parse((await runCli(["accounts", ...common, "--json"])).stdout);
      expect(first.accounts).to.have.lengthOf(1);
      expect(first.accounts[0]).to.include({
        chainId: 84532,
        sender: lab.account.address,
        epoch: 1,
        openBatches: 1,
        lastTxNonce: first.accounts[0].txNonce,
        pendingTxNonce: first.accounts[0].txNonce + 1,
        lease: null,
      });
      const balance = await lab.client.getBalance({ address: lab.account.address });
      expect(first.accounts[0].balanceWei).to.equal(String(balance));

      const watching = startCommand(["settle", "--watch", "-", ...common, "--out", join(folder, "watch.results")]);
      await watching.until(() => watching.stdout().includes("watching"));
      const second = JSON.parse((await runCli(["accounts", ...common, "--json"])).stdout);
      expect(second.accounts[0].epoch).to.equal(2);
      expect(second.accounts[0].lease).to.include({ held: true, host: hostname(), pid: process.pid });
      const text = await runCli(["accounts", ...common]);
      expect(text.stdout).to.include(`held by process ${process.pid} on ${hostname()}, since `);
      await lab.chain.request("evm_mine");
      expect(await watching.stop()).to.equal(0);
      // The command took no lease: there is no third epoch.
      await inJournal(journal, async (journal) =>
        expect((await journal.senders())[0]).to.include({ epoch: 2, openBatches: 0 }),
      );
    });
  });

  it("answers from the journal alone if no node answers", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      await inJournal(journal, (journal) => journal.setCursor("none", "0"));
      const { code, stdout, stderr } = await runCli([
        "accounts",
        "--rpc-url",
        "http://127.0.0.1:9",
        "--journal",
        journal,
      ]);
      expect(code).to.equal(0);
      expect(stdout).to.equal("the journal has sent from no key yet\n");
      expect(stderr).to.include("no node answers");
    });
  });
});

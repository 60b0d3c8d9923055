import { join } from "node:path";
import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../src/chain/client.ts";
import { openJournal } from "../../src/journal/index.ts";
import { startLocalChain } from "../../src/local/index.ts";
import { settlePayments } from "../../src/settlement/job/job.ts";
import { freshAddress } from "../helpers/chainLab.ts";
import { runCli, spawnCli, TEST_MNEMONIC, withFolder } from "../helpers/cli.ts";

const long = process.env.TRIBUTARY_LONG === "1";
const COUNT = long ? 100_000 : 400;
const MAX_MIB = 400;

const PEAK_MEMORY = new URL("../helpers/tellPeakMemory.ts", import.meta.url).href;

describe("settle with a large file", () => {
  it(`settles ${COUNT} authorizations in bounded memory; a second run finds nothing to do`, async () => {
    const local = await startLocalChain();
    const { rpcUrl, accounts } = local;
    try {
      await withFolder(async (folder) => {
        const [file, journalFile] = [join(folder, "payments.jsonl"), join(folder, "journal.db")];
        const payees = [1, 2, 3].map((index) => freshAddress(2_800 + index));
        const sign = ["sign", "--count", String(COUNT), "--payers", "9", "--first-index", "1", "--amount", "0.0001"];
        const signed = await runCli(
          [...sign, "--valid-for", "86400", "--out", file, ...payees.flatMap((payee) => ["--payee", payee])],
          { env: { MNEMONIC: TEST_MNEMONIC } },
        );
        expect(signed.code, signed.stderr).to.equal(0);
        const settle = () =>
          spawnCli(["settle", file, "--rpc-url", rpcUrl, "--journal", journalFile, "--json"], {
            nodeOptions: ["--import", PEAK_MEMORY],
          });
        const peakOf = (stderr: string) => Number(/^peak memory: (.+) MiB$/m.exec(stderr)?.[1]);
        const started = performance.now();
        const first = await settle();
        const seconds = (performance.now() - started) / 1000;
        expect(first.code, first.stderr).to.equal(0);
        const summary = JSON.parse(first.stdout);
        expect(summary.settledNow).to.deep.equal({ count: COUNT, value: String(COUNT * 100) });
        const peak = peakOf(first.stderr);
        console.log(
          `      ${COUNT} authorizations in ${seconds.toFixed(1)} s (${Math.round(COUNT / seconds)}/s), ` +
            `${summary.transactions} transactions, ${summary.gasPerPayment} gas each, at most ${Math.round(peak)} MiB`,
        );
        expect(peak).to.be.below(MAX_MIB);

        const again = await settle();
        expect(again.code, again.stderr).to.equal(0);
        expect(JSON.parse(again.stdout)).to.deep.include({
          transactions: 0,
          settledBefore: { count: COUNT, value: String(COUNT * 100) },
        });
        expect(peakOf(again.stderr)).to.be.below(MAX_MIB);
        const client = await connectChain(rpcUrl);
        const sender = privateKeyToAccount(accounts[0]!.privateKey);
        const reconciled = await runCli([
          "reconcile",
          "--from-block",
          "0",
          "--rpc-url",
          rpcUrl,
          "--journal",
          journalFile,
          "--json",
        ]);
        expect(reconciled.code, reconciled.stderr).to.equal(0);
        expect(JSON.parse(reconciled.stdout)).to.deep.include({
          drift: 0,
          matched: { count: COUNT, value: String(COUNT * 100) },
        });

        // Nothing is left for an engine either.
        const journal = await openJournal(journalFile);
        expect(await journal.count()).to.deep.equal({ settled: COUNT });
        const report = await settlePayments(client, { payments: [], journal: journal, senders: [sender] });
        expect(report.transactions).to.deep.equal([]);
        await journal.close();
      });
    } finally {
      await local.stop();
    }
  });
});

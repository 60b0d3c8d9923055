import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli, withFolder } from "../helpers/cli.ts";
import { readLines, writePayments } from "../helpers/journalCli.ts";

describe("export", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("writes every payment with its batch and its share of the gas, which add up", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const to = freshAddress(2_400);
      const poor = await lab.chain.sign(lab.keyOf(15), { to, value: 5n });
      const payments = [...(await lab.pay(7, to)), { line: 8, authorization: poor }];
      const file = writePayments(folder, payments, "=a,b.jsonl");
      await runCli(["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", journal]);

      const out = join(folder, "statement.jsonl");
      const args = ["export", "--journal", journal, "--eth-usd", "2000"];
      const json = await runCli([...args, "--format", "json", "--out", out]);
      expect(json.code, json.stderr).to.equal(0);
      expect(json.stderr).to.include("8 payments, of which 7 settled here: 0.007021 of").and.include("1 transaction, ");
      const lines = readLines(out);
      expect(lines).to.have.lengthOf(8);
      const settled = lines.filter(({ state }) => state === "settled");
      const [hash] = settled.map(({ transactionHash }) => transactionHash);
      const receipt = await lab.client.getTransactionReceipt({ hash: hash as `0x${string}` });
      const sum = (field: string) => settled.reduce((total, line) => total + BigInt(String(line[field])), 0n);
      expect(sum("gasShare")).to.equal(receipt.gasUsed);
      expect(sum("feeShareWei")).to.equal(receipt.gasUsed * receipt.effectiveGasPrice);
      expect(sum("value")).to.equal(
        payments.slice(0, 7).reduce((total, { authorization }) => total + authorization.value, 0n),
      );
      for (const line of settled) {
        expect(line).to.include({ kind: "router", sender: lab.account.address, txNonce: settled[0]?.txNonce });
        const nano = (BigInt(String(line.feeShareWei)) * 2_000n * 10n ** 9n + 10n ** 18n - 1n) / 10n ** 18n;
        expect(Math.round(Number(line.feeShareUsd) * 1e9)).to.equal(Number(nano));
      }
      expect(lines.at(-1)).to.include({ state: "rejected", reason: "underfunded", batchId: null, gasShare: null });

      const csv = await runCli(args);
      const rows = csv.stdout.trimEnd().split("\n");
      expect(rows).to.have.lengthOf(9);
      expect(rows[0]).to.match(/^id,chainId,token,from,to,value,amount,nonce,/);
      // The file's name has a comma, so its cell is quoted.
      expect(rows[1]).to.include(`,"${file}:1",`);
    });
  });

  it("leaves an existing file alone, unless it is told to replace it", async () => {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const file = writePayments(folder, await lab.pay(1, freshAddress(2_401)));
      await runCli(["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", journal]);
      const out = join(folder, "statement.csv");
      writeFileSync(out, "mine");
      const refused = await runCli(["export", "--journal", journal, "--out", out]);
      expect(refused.code).to.equal(2);
      expect(readFileSync(out, "utf8")).to.equal("mine");
      expect((await runCli(["export", "--journal", journal, "--out", out, "--force"])).code).to.equal(0);
      expect(readFileSync(out, "utf8")).to.include(",settled,");
    });
  });
});

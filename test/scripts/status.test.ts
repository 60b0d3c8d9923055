import { appendFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { authorizationId } from "../../src/authorization/index.ts";
import type { LinePayment } from "../../src/cli/input/input.ts";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli, withFolder } from "../helpers/cli.ts";
import { lineOf, writePayments } from "../helpers/journalCli.ts";

describe("status", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  /** A journal with four settled payments and one of a payer who has nothing. */
  async function withSettled(
    payee: number,
    body: (journal: string, payments: readonly LinePayment[], folder: string) => Promise<void>,
  ): Promise<void> {
    await withFolder(async (folder) => {
      const journal = join(folder, "journal.db");
      const good = await lab.pay(4, freshAddress(payee));
      const poor = await lab.chain.sign(lab.keyOf(15), { to: freshAddress(payee), value: 5n });
      const payments = [...good, { line: 5, authorization: poor }];
      const file = writePayments(folder, payments);
      const { code, stderr } = await runCli(["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", journal]);
      expect(code, stderr).to.equal(3);
      await body(journal, payments, folder);
    });
  }

  it("counts the payments in each state", async () => {
    await withSettled(2_000, async (journal) => {
      const text = await runCli(["status", "--journal", journal]);
      expect(text.code, text.stderr).to.equal(0);
      expect(text.stdout)
        .to.match(/settled +4/)
        .and.match(/rejected +1/);
      expect(text.stdout).to.include(`${lab.account.address} on chain 84532: 0 open batches`);
      const json = JSON.parse((await runCli(["status", "--json"], { env: { DATABASE_URL: journal } })).stdout);
      expect(json).to.include({ payments: 5, open: 0, oldestQueued: null });
      expect(json.states).to.include({ settled: 4, rejected: 1, queued: 0 });
    });
  });

  it("shows a payment by its number, its nonce or its identity, with history and evidence", async () => {
    await withSettled(2_001, async (journal, payments) => {
      const { authorization } = payments[1]!;
      const names = ["2", authorization.nonce, authorizationId(authorization)];
      const shown = await Promise.all(names.map((name) => runCli(["status", name, "--journal", journal, "--json"])));
      const [first, ...others] = shown.map(({ stdout }) => JSON.parse(stdout));
      expect(others).to.deep.equal([first, first]);
      expect(first).to.include({ id: 2, state: "settled", retry: "never", value: String(authorization.value) });
      expect(first.evidence).to.include({ kind: "transfer" });
      const steps = first.history.map(({ to }: { to: string }) => to);
      expect(steps.slice(0, 4)).to.deep.equal(["queued", "batched", "submitted", "settled"]);
      expect(shown[0]?.stdout).to.not.include(authorization.signature.slice(2));

      const refused = await runCli(["status", "5", "--journal", journal]);
      expect(refused.stdout)
        .to.match(/state +rejected \(underfunded\)/)
        .and.match(/retry +tributary retry, once/);
    });
  });

  it("shows each line of a file", async () => {
    await withSettled(2_002, async (journal, payments, folder) => {
      const file = writePayments(folder, payments, "more.jsonl");
      const [unknown] = await lab.pay(1, freshAddress(2_003));
      appendFileSync(file, `{\n${lineOf(unknown!.authorization)}`);
      const { code, stdout } = await runCli(["status", file, "--journal", journal]);
      expect(code).to.equal(4);
      const [summary, ...rows] = stdout.trimEnd().split("\n");
      expect(summary).to.equal("4 settled, 1 rejected, 1 not in the journal, 1 bad line");
      expect(rows.map((row) => row.split("  ")[0])).to.deep.equal(["1", "2", "3", "4", "5", "6", "7"]);
      expect(rows[0]).to.match(/^1 {2}payment 1 {2}settled: transfer in 0x/);
      expect(rows[4]).to.match(/^5 {2}payment 5 {2}rejected: underfunded/);
      expect(rows[5]).to.match(/^6 {2}bad line/);
      expect(rows[6]).to.equal("7  not in the journal");
      const json = await runCli(["status", file, "--journal", journal, "--json"]);
      const states = json.stdout
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
        .map(({ state }) => state);
      expect(states).to.deep.equal(["settled", "settled", "settled", "settled", "rejected", "invalid", null]);
    });
  });

  it("shows a screenful of a long file after its summary, and every line with --all or --json", async () => {
    await withSettled(2_005, async (journal, payments, folder) => {
      const lines = payments.map(({ authorization }) => lineOf(authorization));
      const file = join(folder, "long.jsonl");
      // More lines than the journal is asked about at once, with bad ones among them.
      writeFileSync(file, Array.from({ length: 600 }, (_, index) => lines[index % 6] ?? "{\n").join(""));
      const few = (await runCli(["status", file, "--journal", journal])).stdout.trimEnd().split("\n");
      expect(few[0]).to.equal("400 settled, 100 rejected, 100 bad line");
      expect(few.slice(1, -1).map((row) => Number(row.split("  ")[0]))).to.deep.equal(
        Array.from({ length: 20 }, (_, index) => index + 1),
      );
      expect(few.at(-1)).to.equal("… and 580 more lines (--all shows them, and so does --json)");
      const all = (await runCli(["status", file, "--journal", journal, "--all"])).stdout.trimEnd().split("\n");
      const json = (await runCli(["status", file, "--journal", journal, "--json"])).stdout.trimEnd().split("\n");
      const inOrder = Array.from({ length: 600 }, (_, index) => index + 1);
      expect(all.slice(1).map((row) => Number(row.split("  ")[0]))).to.deep.equal(inOrder);
      expect(json.map((row) => JSON.parse(row).line)).to.deep.equal(inOrder);
    });
  });

  it("says if there is no journal, no such payment or no such file", async () => {
    await withSettled(2_004, async (journal, _payments, folder) => {
      const none = await runCli(["status", "--journal", join(folder, "none.db")]);
      expect(none.code).to.equal(2);
      expect(none.stderr).to.include("There is no journal").and.include("hint:");
      const payment = await runCli(["status", "99", "--journal", journal]);
      expect(payment.code).to.equal(2);
      expect(payment.stderr).to.include("The journal has no payment 99.");
      const file = await runCli(["status", join(folder, "none.jsonl"), "--journal", journal]);
      expect(file.code).to.equal(2);
      expect(file.stderr).to.include("neither a payment nor a file that can be read (ENOENT)");
    });
  });
});

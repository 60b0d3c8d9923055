import { appendFileSync, existsSync, mkdirSync, readFileSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect } from "chai";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { type Running, runCli, spawnCli, spawnCommand, startCommand, withFolder } from "../helpers/cli.ts";
import { inJournal, lineOf, readLines } from "../helpers/journalCli.ts";

describe("settle --watch", () => {
  let lab: ChainLab;
  let running: Pick<Running, "stop"> | undefined;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());
  afterEach(async () => {
    await running?.stop();
    running = undefined;
  });

  type Place = {
    readonly inbox: string;
    readonly out: string;
    readonly journal: string;
    readonly args: readonly string[];
  };
  async function withInbox(body: (place: Place) => Promise<void>): Promise<void> {
    await withFolder(async (folder) => {
      const [inbox, journal, out] = [
        join(folder, "inbox"),
        join(folder, "journal.db"),
        join(folder, "inbox.results.jsonl"),
      ];
      mkdirSync(inbox);
      const args = ["settle", "--watch", inbox, "--rpc-url", lab.chain.rpcUrl, "--journal", journal, "--lease", "5"];
      await body({ inbox, out, journal, args });
    });
  }
  const watchingOf = async <R extends Pick<Running, "stop" | "stdout" | "until">>(command: R): Promise<R> => {
    running = command;
    await command.until(() => command.stdout().includes("watching"));
    return command;
  };
  const start = (args: readonly string[]) => watchingOf(startCommand(args));
  const startProcess = (args: readonly string[]) => watchingOf(spawnCommand(args));
  const settledIn = (out: string) =>
    existsSync(out) ? readLines(out).filter(({ status }) => status === "settled") : [];

  it("settles lines as files appear and grow, and waits for the end of a half-written one", async () => {
    await withInbox(async ({ inbox, out, args }) => {
      const payee = freshAddress(2_700);
      const lines = (await lab.pay(5, payee)).map(({ authorization }) => lineOf(authorization));
      writeFileSync(join(inbox, "a.jsonl"), lines.slice(0, 2).join(""));
      const watching = await start(args);
      await watching.until(() => settledIn(out).length === 2);
      const half = lines[2]!;
      appendFileSync(join(inbox, "a.jsonl"), half.slice(0, 100));
      writeFileSync(join(inbox, "b.jsonl"), lines[3]!);
      writeFileSync(join(inbox, "ignored.txt"), lines[4]!);
      await watching.until(() => settledIn(out).length === 3);
      expect(readLines(out).map(({ source }) => source))
        .to.include("b.jsonl:1")
        .and.not.include("a.jsonl:3");
      appendFileSync(join(inbox, "a.jsonl"), half.slice(100));
      await watching.until(() => settledIn(out).length === 4);
      expect(readLines(out).at(-1)).to.include({ source: "a.jsonl:3", when: "now" });
      expect(await watching.stop()).to.equal(0);
      expect(watching.stdout()).to.match(/queued 0, in flight 0 in 0 transactions, settled 4, not settled 0\n$/);
      expect(await lab.balanceOf(payee)).to.equal(1_000n + 1_001n + 1_002n + 1_003n);
    });
  });

  it("neither forgets nor repeats a line over restarts, SIGKILL included", async () => {
    await withInbox(async ({ inbox, out, journal, args }) => {
      const payee = freshAddress(2_701);
      const lines = (await lab.pay(40, payee)).map(({ authorization }) => lineOf(authorization));
      const file = join(inbox, "payments.jsonl");
      writeFileSync(file, `${lines.slice(0, 20).join("")}{\n`);
      const first = await startProcess(args);
      await first.until(
        () => existsSync(journal) && inJournal(journal, async (journal) => (await journal.count()).queued !== 0),
      );
      await first.stop("SIGKILL");

      appendFileSync(file, lines.slice(20, 30).join(""));
      const second = await startProcess(args);
      await second.until(() => settledIn(out).length >= 25);
      await second.stop("SIGKILL");
      // The crash cut off the last result.
      appendFileSync(out, '{"id":');

      appendFileSync(file, lines.slice(30).join(""));
      const third = await start(args);
      await third.until(() => settledIn(out).length === 40);
      expect(await third.stop("SIGINT")).to.equal(0);
      const results = readLines(out);
      expect(new Set(results.map(({ source }) => source)).size).to.equal(41);
      expect(results).to.have.lengthOf(41);
      expect(results.filter(({ status }) => status === "invalid")).to.have.lengthOf(1);
      expect(await lab.balanceOf(payee)).to.equal(40n * 1_000n + (39n * 40n) / 2n);
      const sent = await lab.transactionCount();
      const fourth = await start(args);
      await new Promise((resolve) => setTimeout(resolve, 1_500));
      expect(await fourth.stop()).to.equal(0);
      expect(readLines(out)).to.deep.equal(results);
      expect(await lab.transactionCount()).to.equal(sent);
    });
  });

  it("reads a replaced file from its start, and reports what it knows as duplicates", async () => {
    await withInbox(async ({ inbox, out, args }) => {
      const payee = freshAddress(2_702);
      const lines = (await lab.pay(3, payee)).map(({ authorization }) => lineOf(authorization));
      const file = join(inbox, "payments.jsonl");
      writeFileSync(file, lines.slice(0, 2).join(""));
      const watching = await start(args);
      await watching.until(() => settledIn(out).length === 2);
      writeFileSync(join(inbox, "draft"), `${lines[2]}${lines[0]}`);
      renameSync(join(inbox, "draft"), file);
      await watching.until(() => settledIn(out).length === 3 && readLines(out).length === 4);
      expect(await watching.stop()).to.equal(0);
      expect(readLines(out).find(({ status }) => status === "duplicate")).to.include({
        source: "payments.jsonl:2",
        duplicateOf: 1,
        state: "settled",
      });
      expect(await lab.balanceOf(payee)).to.equal(3_003n);
    });
  });

  it("takes payments from standard input until it ends", async () => {
    await withFolder(async (folder) => {
      const payee = freshAddress(2_703);
      const payments = await lab.pay(3, payee);
      const [one, two, three] = payments.map(({ authorization }) => lineOf(authorization));
      const out = join(folder, "out.jsonl");
      const args = ["--rpc-url", lab.chain.rpcUrl, "--journal", join(folder, "journal.db"), "--out", out, "--json"];
      const watching = await start(["settle", "--watch", "-", ...args]);
      watching.stdin.write(one);
      await watching.until(() => settledIn(out).length === 1);
      // The last line has no line end: the end of the input ends it.
      watching.stdin.end(`${two}not a payment\n${three?.trimEnd()}`);
      expect(await watching.ended).to.equal(0);
      expect(
        settledIn(out)
          .map(({ source }) => source)
          .sort(),
      ).to.deep.equal(["-:1", "-:2", "-:4"]);
      expect(readLines(out).find(({ status }) => status === "invalid")).to.include({ source: "-:3" });
      const last = JSON.parse(watching.stdout().trimEnd().split("\n").at(-1) ?? "");
      expect(last).to.deep.include({ queued: 0, inFlight: 0, settled: 3, notSettled: 0 });
      expect(await lab.balanceOf(payee)).to.equal(3_003n);
    });
  });

  it("waits for what is in flight when it is told to stop", async () => {
    const still = await openChainLab({ blockTimeSeconds: 3_600 });
    try {
      await withInbox(async ({ inbox, out, args }) => {
        const payee = freshAddress(2_704);
        const lines = (await still.pay(2, payee)).map(({ authorization }) => lineOf(authorization));
        writeFileSync(join(inbox, "a.jsonl"), lines.join(""));
        const own = args.map((arg) => (arg === lab.chain.rpcUrl ? still.chain.rpcUrl : arg));
        const watching = await start([...own, "--status-every", "1"]);
        await watching.until(() => watching.stdout().includes("in flight 2 in 1 transaction,"));
        const ended = watching.stop();
        await new Promise((resolve) => setTimeout(resolve, 1_000));
        expect(watching.hasEnded()).to.equal(false);
        await watching.until(() =>
          watching.stderr().includes("stopping: waiting up to 30 s for 1 transaction on the way"),
        );
        await still.chain.request("evm_mine");
        expect(await ended).to.equal(0);
        expect(settledIn(out)).to.have.lengthOf(2);
        expect(await still.balanceOf(payee)).to.equal(2_001n);
      });
    } finally {
      await still.chain.stop();
    }
  });

  it("counts its own payments, and none of the rest of the journal", async () => {
    await withInbox(async ({ inbox, out, journal, args }) => {
      const payee = freshAddress(2_705);
      const others = join(inbox, "..", "others.jsonl");
      writeFileSync(others, (await lab.pay(3, payee)).map(({ authorization }) => lineOf(authorization)).join(""));
      const before = await runCli(["settle", others, "--rpc-url", lab.chain.rpcUrl, "--journal", journal]);
      expect(before.code, before.stderr).to.equal(0);
      const poor = await lab.chain.sign(lab.keyOf(15), { to: payee, value: 5n });
      const lines = [...(await lab.pay(2, payee)).map(({ authorization }) => authorization), poor].map(lineOf);
      writeFileSync(join(inbox, "a.jsonl"), lines.join(""));
      const watching = await start([...args, "--json"]);
      await watching.until(() => existsSync(out) && readLines(out).length === 3);
      expect(await watching.stop()).to.equal(0);
      const last = JSON.parse(watching.stdout().trimEnd().split("\n").at(-1) ?? "");
      expect(last).to.deep.include({ queued: 0, inFlight: 0, transactions: 0, settled: 2, notSettled: 1 });
    });
  });

  it("refuses a missing folder, and results that it would read again", async () => {
    await withInbox(async ({ inbox, args }) => {
      const missing = await runCli(args.map((arg) => (arg === inbox ? join(inbox, "none") : arg)));
      expect(missing.code).to.equal(2);
      expect(missing.stderr).to.include("There is no folder");
      const loop = await runCli([...args, "--out", join(inbox, "results.jsonl")]);
      expect(loop.code).to.equal(2);
      expect(loop.stderr).to.include("would be read as payments");
      const both = await runCli([...args, "file.jsonl"]);
      expect(both.code).to.equal(2);
    });
  });

  it("appends its results through no link", async () => {
    await withInbox(async ({ inbox, args }) => {
      const [victim, link] = [join(inbox, "victim"), join(inbox, "results")];
      writeFileSync(victim, "mine");
      symlinkSync(victim, link);
      const { code, stderr } = await runCli([...args, "--out", link]);
      expect(code).to.equal(2);
      expect(stderr).to.include(`${link} is a symbolic link, and was left as it is. Nothing was sent.`);
      expect(readFileSync(victim, "utf8")).to.equal("mine");
    });
  });

  it("refuses a second process with the same key on the same journal", async () => {
    await withInbox(async ({ args }) => {
      await start(args);
      // It ends, although it followed the chain already.
      const second = await spawnCli(args);
      expect(second.code).to.equal(2);
      expect(second.stderr).to.include(`Another engine sends from ${lab.account.address}: process `);
    });
  });
});

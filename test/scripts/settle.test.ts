import { spawn } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import type { Address } from "viem";
import { serialiseAuthorization } from "../../src/authorization/serialise.ts";
import type { LinePayment } from "../../src/cli/input/input.ts";
import { formatPayment, paymentFormats } from "../../src/cli/input/paymentFormats.ts";
import { networks } from "../../src/networks.ts";
import { type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../helpers/chainLab.ts";
import { type CliResult, runCli, spawnCommand, withFolder } from "../helpers/cli.ts";

const root = join(import.meta.dirname, "..", "..");

function write(folder: string, lines: readonly string[]): string {
  const file = join(folder, "payments.jsonl");
  writeFileSync(file, lines.map((line) => `${line}\n`).join(""));
  return file;
}

function bare(payments: readonly LinePayment[]): string[] {
  return payments.map(({ authorization }) => serialiseAuthorization(authorization));
}

function results(file: string): { line: number; status: string; [field: string]: unknown }[] {
  return readFileSync(`${file}.results.jsonl`, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));
}

function journalOf(file: string): string {
  return `${file}.db`;
}

/** How many transactions a journal knows. */
function attemptsIn(journal: string): number {
  try {
    const database = new DatabaseSync(journal, { readOnly: true });
    try {
      return Number(database.prepare("select count(*) as n from attempts").get()?.n ?? 0);
    } finally {
      database.close();
    }
  } catch {
    // It is not made yet, or is being written.
    return 0;
  }
}

function total(payments: readonly LinePayment[]): bigint {
  return payments.reduce((sum, { authorization }) => sum + authorization.value, 0n);
}

/** Longer than a busy machine takes from one step of a job to the next. */
const IDLE_SECONDS = "10";

describe("settle", () => {
  let lab: ChainLab;
  let fresh = 0;
  const nextPayee = (): Address => {
    fresh += 1;
    return freshAddress(fresh);
  };
  /** Waits for three time-outs and sends nothing, so it runs at the same time as the other cases. */
  let unanswered: Promise<CliResult & { readonly statuses: readonly string[] }>;
  before(async () => {
    lab = await openChainLab();
    unanswered = withFolder(async (folder) => {
      const file = write(folder, bare(await lab.pay(2, nextPayee())));
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) => (method === "eth_call" ? "hang" : "pass"));
      const result = await settle(file, ["--rpc-timeout", "20"], node.rpcUrl);
      await node.stop();
      return { ...result, statuses: results(file).map(({ status }) => status) };
    });
    // It fails in its case, if at all.
    unanswered.catch(() => undefined);
  });
  after(async () => {
    await unanswered.catch(() => undefined);
    await lab.chain.stop();
  });

  /** Each file has its own journal next to it, and a killed run's key is free again after the shortest lease. */
  const settle = (file: string, args: readonly string[] = [], rpcUrl = lab.chain.rpcUrl) =>
    runCli(["settle", file, "--rpc-url", rpcUrl, "--journal", journalOf(file), "--lease", "5", ...args]);

  it("settles a file that mixes every form, once, with a result for each line", async () => {
    await withFolder(async (folder) => {
      const payee = nextPayee();
      const payments = await lab.pay(16, payee);
      const { v1Name, usdc } = networks.baseSepolia;
      const lines = payments.map(({ authorization }, index) =>
        formatPayment(authorization, paymentFormats[index % 4] ?? "header", { v1Network: v1Name, domain: usdc }),
      );
      const file = write(folder, lines);

      const first = await settle(file);
      expect(first.code, first.stderr).to.equal(0);
      expect(first.stdout)
        .to.match(/settled +16 +0\.01612/)
        .and.include("16 of 16 settled through the router");
      // No terminal, no progress bar: stderr holds the notice about the test account and nothing else.
      expect(first.stderr).to.match(/^notice: no key given[^\n]*\n$/);
      expect(await lab.balanceOf(payee)).to.equal(total(payments));
      expect(results(file).map(({ line, status, when }) => [line, status, when])).to.deep.equal(
        lines.map((_, index) => [index + 1, "settled", "now"]),
      );

      const sent = await lab.transactionCount();
      const second = await settle(file);
      expect(second).to.include({ code: 0 });
      expect(second.stdout).to.include("nothing was settled by this run: all 16 payments were settled before");
      for (const suffix of ["", "-wal", "-shm"]) rmSync(journalOf(file) + suffix, { force: true });
      const third = await settle(file);
      expect(third).to.include({ code: 0 });
      expect(third.stdout).to.match(/settled before, found on the chain +16/);
      expect(results(file).every(({ when }) => when === "elsewhere")).to.equal(true);
      expect(await lab.transactionCount()).to.equal(sent);
      expect(await lab.balanceOf(payee)).to.equal(total(payments));
    });
  });

  it("settles the good lines despite bad ones and exits with 3, or refuses the file with --strict", async () => {
    await withFolder(async (folder) => {
      const payee = nextPayee();
      const payments = await lab.pay(3, payee);
      const [one = "", two = "", three = ""] = bare(payments);
      const file = write(folder, [one, "{", two, one, three]);
      const strict = await settle(file, ["--strict"]);
      expect(strict.code).to.equal(2);
      expect(strict.stderr).to.include("2 lines of").and.include("nothing was sent");
      expect(await lab.balanceOf(payee)).to.equal(0n);
      expect(existsSync(`${file}.results.jsonl`)).to.equal(false);

      const lenient = await settle(file);
      expect(lenient.code).to.equal(3);
      expect(lenient.stdout).to.match(/bad line in the file +2/);
      expect(results(file).map(({ line, status }) => [line, status])).to.deep.equal([
        [1, "settled"],
        [2, "invalid"],
        [3, "settled"],
        [4, "duplicate"],
        [5, "settled"],
      ]);
      expect(await lab.balanceOf(payee)).to.equal(total(payments));
    });
  });

  it("writes through no link in place of its results' draft, and replaces what a killed run left there", async () => {
    await withFolder(async (folder) => {
      const payee = nextPayee();
      const file = write(folder, bare(await lab.pay(1, payee)));
      const draft = `${file}.results.jsonl.part`;
      const victim = join(folder, "victim");
      writeFileSync(victim, "mine");
      symlinkSync(victim, draft);
      const refused = await settle(file);
      expect(refused.code).to.equal(2);
      expect(refused.stderr).to.include(`${draft} is a symbolic link, and was left as it is. Nothing was sent.`);
      expect(readFileSync(victim, "utf8")).to.equal("mine");
      expect(await lab.balanceOf(payee)).to.equal(0n);

      rmSync(draft);
      writeFileSync(draft, "of a killed run");
      expect((await settle(file)).code).to.equal(0);
      expect(results(file).map(({ status }) => status)).to.deep.equal(["settled"]);
      expect(statSync(`${file}.results.jsonl`).mode & 0o777).to.equal(0o600);
    });
  });

  it("settles a good line after a forged one with its nonce", async () => {
    await withFolder(async (folder) => {
      const payee = nextPayee();
      const payments = await lab.pay(1, payee);
      const { authorization } = payments[0]!;
      const forged = { ...authorization, value: authorization.value + 1n };
      const file = write(folder, [forged, authorization].map(serialiseAuthorization));
      for (const run of ["first", "second"]) {
        expect((await settle(file)).code, run).to.equal(3);
        expect(results(file).map(({ status, reason }) => reason ?? status)).to.deep.equal(["bad-signature", "settled"]);
      }
      expect(await lab.balanceOf(payee)).to.equal(total(payments));
    });
  });

  it("says who cannot settle and why, and exits with 3", async () => {
    await withFolder(async (folder) => {
      const payee = nextPayee();
      const now = await lab.chain.now();
      const poor = lab.keyOf(15);
      const [good] = await lab.pay(1, payee);
      const expired = await lab.chain.sign(lab.keyOf(1), { to: payee, value: 5n, validBefore: now - 1n });
      const early = await lab.chain.sign(lab.keyOf(1), { to: payee, value: 5n, validAfter: now + 1000n });
      const drained = await lab.chain.sign(poor, { to: payee, value: 5n });
      const altered = { ...(await lab.chain.sign(lab.keyOf(2), { to: payee, value: 5n })), value: 6n };
      const lines = [good?.authorization ?? expired, expired, early, drained, altered].map(serialiseAuthorization);
      const file = write(folder, lines);
      expect((await settle(file)).code).to.equal(3);
      expect(results(file).map(({ status, reason }) => reason ?? status)).to.deep.equal([
        "settled",
        "expired",
        "deferred",
        "underfunded",
        "bad-signature",
      ]);
    });
  });

  it("settles one by one if there is no router, and says so", async () => {
    const other = await openChainLab({ bare: true });
    try {
      await withFolder(async (folder) => {
        const payee = nextPayee();
        const payments = await other.pay(5, payee);
        const { code, stdout } = await settle(write(folder, bare(payments)), [], other.chain.rpcUrl);
        expect(code).to.equal(0);
        expect(stdout).to.include("there is no settlement router on this chain, so payments go one by one");
        expect(stdout).to.include("5 transactions");
        expect(await other.balanceOf(payee)).to.equal(total(payments));
      });
    } finally {
      await other.chain.stop();
    }
  });

  it("loses nothing and pays nothing twice when it is killed in the middle", async () => {
    const slow = await openChainLab({ blockTimeSeconds: 2 });
    try {
      await withFolder(async (folder) => {
        const payee = nextPayee();
        const payments = await slow.pay(60, payee);
        const file = write(folder, bare(payments));
        const own = ["--rpc-url", slow.chain.rpcUrl, "--journal", journalOf(file), "--lease", "5"];
        const args = ["settle", file, ...own, "--max-gas", "500000"];
        const first = spawnCommand(args);
        while (attemptsIn(journalOf(file)) < 3) await new Promise((resolve) => setTimeout(resolve, 10));
        await first.stop("SIGKILL");
        expect(existsSync(`${file}.results.jsonl`)).to.equal(false);

        const again = await runCli(args);
        expect(again.code, again.stderr).to.equal(0);
        expect(results(file).filter(({ status }) => status === "settled")).to.have.lengthOf(60);
        expect(await slow.balanceOf(payee)).to.equal(total(payments));
        // One transaction for each that was ever signed: nothing was signed again for what the first run had sent.
        const hashes = new Set(results(file).map(({ transactionHash }) => transactionHash));
        expect(hashes.size).to.equal(attemptsIn(journalOf(file)));
      });
    } finally {
      await slow.chain.stop();
    }
  });

  it("exits with 4 while an outcome is unknown, and learns it on the next run", async () => {
    const still = await openChainLab({ blockTimeSeconds: 3600 });
    try {
      await withFolder(async (folder) => {
        const payments = await still.pay(3, nextPayee());
        const file = write(folder, bare(payments));
        const first = await settle(file, ["--wait", IDLE_SECONDS], still.chain.rpcUrl);
        expect(first.code, first.stderr).to.equal(4);
        expect(first.stdout).to.match(/outcome unknown, run again +3/);
        expect(results(file).every(({ status }) => status === "pending")).to.equal(true);
        await still.chain.request("evm_mine");
        const second = await settle(file, ["--wait", IDLE_SECONDS], still.chain.rpcUrl);
        expect(second.code).to.equal(0);
        expect(second.stdout).to.match(/settled by an earlier run +3/);
      });
    } finally {
      await still.chain.stop();
    }
  });

  describe("before it sends anything", () => {
    it("checks that the results can be written", async () => {
      await withFolder(async (folder) => {
        const sent = await lab.transactionCount();
        const file = write(folder, bare(await lab.pay(2, nextPayee())));
        const { code, stderr } = await settle(file, ["--out", join(folder, "missing", "results.jsonl")]);
        expect(code).to.equal(2);
        expect(stderr).to.include("The results cannot be written to").and.include("ENOENT");
        expect(await lab.transactionCount()).to.equal(sent);
      });
    });

    it("checks that the disk has room for the results", async () => {
      await withFolder(async (folder) => {
        const sent = await lab.transactionCount();
        const file = write(folder, bare(await lab.pay(20, nextPayee())));
        // A limit on the size of files stands for a full disk; sh counts it in blocks of 512 bytes.
        const command = `ulimit -f 8; exec "$0" "$@"`;
        const program = [process.execPath, join(root, "scripts", "tributary.ts")];
        const args = ["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", ":memory:"];
        const child = spawn("sh", ["-c", command, ...program, ...args], { env: { PATH: process.env.PATH ?? "" } });
        let stderr = "";
        child.stderr.on("data", (chunk: Buffer) => {
          stderr += chunk.toString();
        });
        const code = await new Promise((resolve) => child.once("close", resolve));
        expect(code, stderr).to.equal(2);
        expect(stderr).to.include("The results cannot be written to").and.include("EFBIG");
        expect(await lab.transactionCount()).to.equal(sent);
        expect(existsSync(`${file}.results.jsonl.part`)).to.equal(false);
      });
    });

    it("checks that the journal can be written", async () => {
      await withFolder(async (folder) => {
        const sent = await lab.transactionCount();
        const file = write(folder, bare(await lab.pay(2, nextPayee())));
        mkdirSync(join(folder, "journal"));
        chmodSync(join(folder, "journal"), 0o500);
        const { code, stderr } = await settle(file, ["--journal", join(folder, "journal")]);
        expect(code).to.equal(1);
        expect(stderr).to.match(/journal/i);
        expect(await lab.transactionCount()).to.equal(sent);
      });
    });

    it("notices that the node is on another chain than the payments", async () => {
      await withFolder(async (folder) => {
        const [payment] = await lab.pay(1, nextPayee());
        if (payment === undefined) throw new Error("no payment");
        const { base } = networks;
        const elsewhere = { ...payment.authorization, chainId: base.chainId, token: base.usdc.address };
        const wrongFile = await settle(write(folder, [serialiseAuthorization(elsewhere)]));
        expect(wrongFile.code).to.equal(2);
        expect(wrongFile.stderr).to.include(
          "The node is on Base Sepolia (chain 84532), and the payments are for Base (chain 8453)",
        );
        const wrongNode = await settle(write(folder, [serialiseAuthorization(elsewhere)]), ["--network", "base"]);
        expect(wrongNode.code).to.equal(2);
        expect(wrongNode.stderr).to.include("The node is on chain 84532, not 8453.");
      });
    });

    it("notices that no node answers, and keeps the key of the URL to itself", async () => {
      await withFolder(async (folder) => {
        const file = write(folder, bare(await lab.pay(1, nextPayee())));
        const { code, stderr } = await settle(file, [], "http://127.0.0.1:9/v2/secret-key");
        expect(code).to.equal(1);
        expect(stderr).to.include("No node answers at http://127.0.0.1:9.").and.not.include("secret-key");
      });
    });
  });

  describe("with a node that fails", () => {
    it("writes what is known when the node dies in the middle, and finishes on the next run", async () => {
      await withFolder(async (folder) => {
        const payee = nextPayee();
        const payments = await lab.pay(30, payee);
        const file = write(folder, bare(payments));
        let sends = 0;
        const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) => {
          if (method === "eth_sendRawTransaction") sends += 1;
          return sends > 2 ? "hang-up" : "pass";
        });
        const args = ["--max-gas", "500000", "--wait", IDLE_SECONDS, "--rpc-timeout", "30"];
        const first = await settle(file, args, node.rpcUrl);
        await node.stop();
        expect(first.code, first.stderr).to.equal(4);
        expect(first.stderr).to.include("error: The node did not return").and.include("hint:");
        const statuses = results(file).map(({ status }) => status);
        expect(statuses).to.have.lengthOf(30);
        expect(statuses).to.include("pending").and.include("not-attempted");

        const second = await settle(file, args);
        expect(second.code, second.stderr).to.equal(0);
        expect(await lab.balanceOf(payee)).to.equal(total(payments));
      });
    });

    it("gives up on a node that does not answer in time", async () => {
      const { code, stderr, statuses } = await unanswered;
      expect(code).to.equal(3);
      expect(stderr).to.include("It took too long to answer.");
      expect(statuses).to.deep.equal(["not-attempted", "not-attempted"]);
    });

    it("does not believe the receipt of another transaction", async () => {
      await withFolder(async (folder) => {
        const earlier = write(folder, bare(await lab.pay(2, nextPayee())));
        await settle(earlier);
        const [{ transactionHash } = { transactionHash: undefined }] = results(earlier);
        const receipt = await lab.chain.request("eth_getTransactionReceipt", [transactionHash]);
        const file = write(folder, bare(await lab.pay(2, nextPayee())));
        const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
          method === "eth_getTransactionReceipt" ? { result: receipt } : "pass",
        );
        const { code } = await settle(file, ["--wait", IDLE_SECONDS], node.rpcUrl);
        await node.stop();
        expect(code).to.equal(4);
        expect(results(file).map(({ status }) => status)).to.deep.equal(["pending", "pending"]);
      });
    });

    it("says plainly that the sender has no ether", async () => {
      await withFolder(async (folder) => {
        const file = write(folder, bare(await lab.pay(2, nextPayee())));
        const env = { PRIVATE_KEY: `0x${"42".repeat(32)}` };
        const { code, stderr } = await runCli(
          ["settle", file, "--rpc-url", lab.chain.rpcUrl, "--journal", journalOf(file)],
          { env },
        );
        expect(code).to.equal(3);
        expect(stderr).to.include("The sender cannot pay for the transaction's gas.");
        // With another sender, the refused transaction does not block the next one.
        const second = await settle(file);
        expect(second.code, second.stderr).to.equal(0);
      });
    });
  });
});

import { join } from "node:path";
import { expect } from "chai";
import { type Hex, keccak256, parseGwei } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { encodeTransfer } from "../../src/authorization/encode.ts";
import { authorizationId, termsDigest } from "../../src/authorization/identity.ts";
import type { Attempt, Journal, Lease } from "../../src/settlement/index.ts";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { type CliResult, runCli, withFolder } from "../helpers/cli.ts";
import { inJournal } from "../helpers/journalCli.ts";
import { until } from "../helpers/until.ts";

const BATCH: Hex = `0x${"ba".repeat(32)}`;
const SOURCE = "x402:req-7:shop";

describe("status and inspect of a stuck payment", () => {
  let lab: ChainLab;
  let payee = 2_900;
  before(async () => {
    lab = await openChainLab({ blockTimeSeconds: 3_600 });
  });
  after(() => lab.chain.stop());

  type Stuck = {
    readonly nonce: Hex;
    /** The transactions that were signed for the payment: the second replaces the first. */
    readonly hashes: readonly [Hex, Hex];
    readonly journal: string;
    readonly status: (...args: readonly string[]) => Promise<CliResult>;
    readonly inspect: (...args: readonly string[]) => Promise<CliResult>;
    readonly onJournal: (work: (journal: Journal, lease: Lease) => Promise<unknown>) => Promise<unknown>;
    /** Stores the replacement and hands it out. */
    readonly replace: () => Promise<void>;
  };

  /** A payment whose transaction was signed 5 minutes ago, and waits at the node. */
  async function withStuck(body: (stuck: Stuck) => Promise<void>): Promise<void> {
    await withFolder(async (folder) => {
      payee += 1;
      const account = privateKeyToAccount(lab.keyOf(9).privateKey);
      const [payment] = await lab.pay(1, freshAddress(payee));
      const { authorization } = payment!;
      const txNonce = await lab.client.getTransactionCount({ address: account.address });
      const key = { chainId: lab.client.chain.id, sender: account.address };
      const sign = async (gwei: string, tip: string, createdAtMs: number): Promise<Attempt> => {
        const fees = { maxFeePerGas: parseGwei(gwei), maxPriorityFeePerGas: parseGwei(tip) };
        const raw = await account.signTransaction({
          ...{ chainId: key.chainId, nonce: txNonce, gas: 100_000n, type: "eip1559", ...fees },
          ...{ to: authorization.token, data: encodeTransfer(authorization) },
        });
        const common = { paymentIds: [1], kind: "direct", router: undefined, broadcastAtMs: undefined } as const;
        return { hash: keccak256(raw), raw, gas: 100_000n, ...fees, createdAtMs, ...common };
      };
      const nowMs = Date.now();
      const [first, second] = [await sign("3.5", "1", nowMs - 300_000), await sign("7", "2", nowMs - 60_000)];
      const file = join(folder, "journal.db");
      const onJournal: Stuck["onJournal"] = (work) =>
        inJournal(file, async (journal) => {
          const taken = await journal.acquireLease({ ...key, owner: "test", ttlMs: 1_000 });
          if ("heldBy" in taken) throw new Error("the key is held");
          return work(journal, taken.lease);
        });
      const handOut = async (journal: Journal, lease: Lease, { hash, raw }: Attempt, atMs: number): Promise<void> => {
        expect(await journal.markBroadcast(lease, hash, atMs)).to.equal("stored");
        expect(await lab.chain.request("eth_sendRawTransaction", [raw])).to.equal(hash);
      };
      await onJournal(async (journal, lease) => {
        await journal.accept(
          [
            {
              identity: authorizationId(authorization),
              digest: termsDigest(authorization),
              work: { kind: "authorization", authorization, payerHasCode: false },
              deadlineSeconds: authorization.validBefore,
              acceptedBlock: 1n,
              source: SOURCE,
            },
          ],
          nowMs - 400_000,
        );
        const batch = { id: BATCH, ...key, txNonce, attempt: first };
        expect(await journal.storeBatch(lease, batch, nowMs - 300_000)).to.equal("stored");
        await handOut(journal, lease, first, nowMs - 299_000);
      });
      try {
        await body({
          nonce: authorization.nonce,
          hashes: [first.hash, second.hash],
          journal: file,
          status: (...args) => runCli(["status", ...args, "--journal", file]),
          inspect: (...args) => runCli(["inspect", ...args, "--journal", file, "--rpc-url", lab.chain.rpcUrl]),
          onJournal,
          replace: () =>
            onJournal(async (journal, lease) => {
              expect(await journal.storeAttempt(lease, BATCH, second)).to.equal("stored");
              await handOut(journal, lease, second, nowMs - 60_000);
            }).then(() => undefined),
        });
      } finally {
        await lab.chain.request("evm_mine");
      }
    });
  }

  it("shows in status every transaction with its hash, its fee and its age", async () => {
    await withStuck(async ({ hashes: [first, second], status, replace }) => {
      const once = await status("1");
      expect(once.code, once.stderr).to.equal(0);
      expect(once.stdout).to.include(`transactions\n  1. ${first}\n     txNonce `);
      expect(once.stdout).to.include("offers 3.5 gwei per gas, 1 of it as tip, for 100000 gas\n");
      expect(once.stdout).to.match(/signed \d+ min ago, last handed out \d+ min ago\n/);
      expect(once.stdout).to.include("carries 1 payment; waits for its block\n");
      const counts = await status();
      expect(counts.stdout).to.include(`open for the longest time: transaction ${first}\n`);

      await replace();
      const twice = (await status("1")).stdout;
      expect(twice).to.match(
        new RegExp(`1\\. ${first}[^]*replaced by the next one, may still be mined[^]*2\\. ${second}`),
      );
      expect(twice).to.include("offers 7 gwei per gas").and.include("carries 1 payment; waits for its block\n");
      const json = JSON.parse((await status("1", "--json")).stdout);
      expect(json.attempts).to.have.lengthOf(2);
      expect(json.attempts[0]).to.include({ hash: first, maxFeePerGas: "3500000000", fate: "replaced", payments: 1 });
      expect(json.attempts[1]).to.include({
        hash: second,
        maxFeePerGas: "7000000000",
        fate: "waiting",
        blockNumber: null,
      });
    });
  });

  it("takes the hash of any of its transactions, its batch's id, and the id of its request", async () => {
    await withStuck(async ({ hashes, nonce, status, replace }) => {
      await replace();
      for (const name of [...hashes, BATCH]) {
        const { code, stdout, stderr } = await status(name);
        expect(code, stderr).to.equal(0);
        expect(stdout)
          .to.match(new RegExp(`^batch +${BATCH}$`, "m"))
          .and.match(/^payments +1 submitted$/m);
        for (const hash of hashes) expect(stdout).to.include(hash);
        expect(stdout).to.include(`  1  submitted  1000 to ${freshAddress(payee)}, nonce ${nonce.slice(0, 10)}…\n`);
        const json = JSON.parse((await status(name, "--json")).stdout);
        expect(json.batch).to.include({ id: BATCH, state: "open" });
        expect(json.payments.map(({ id }: { id: number }) => id)).to.deep.equal([1]);
      }
      const byNumber = JSON.parse((await status("1", "--json")).stdout);
      for (const name of ["req-7", "req-7:shop", SOURCE, "x402:req-7", nonce]) {
        expect(JSON.parse((await status(name, "--json")).stdout), name).to.deep.equal(byNumber);
      }
      const none = await status("req-8");
      expect(none.code).to.equal(2);
      expect(none.stderr)
        .to.include("req-8 is neither a payment nor a file that can be read (ENOENT)")
        .and.include("request id");
      const unknown = await status(`0x${"12".repeat(32)}`);
      expect(unknown.code).to.equal(2);
      expect(unknown.stderr).to.include("The journal has no payment and no transaction 0x1212");
    });
  });

  it("shows in inspect what waits, what it offers, and what blocks require", async () => {
    await withStuck(async ({ hashes: [first, second], inspect, replace }) => {
      for (const name of [first, "1", "req-7"]) {
        const { code, stdout, stderr } = await inspect(name);
        expect(code, stderr).to.equal(4);
        expect(stderr).to.include(`The transaction ${first} is not mined yet.`);
        expect(stderr).to.match(/It offers 3\.5 gwei per gas; the newest block asks for [0-9.]+\./);
        expect(stdout).to.include("signed for it, according to the journal\n").and.include(`1. ${first}`);
      }
      await replace();
      const { code, stdout, stderr } = await inspect(second);
      expect(code).to.equal(4);
      expect(stderr).to.include(`The transaction ${second} is not mined yet.`);
      expect(stdout).to.include(`1. ${first}`).and.include(`2. ${second}`);
    });
  });

  it("finds with the hash of a replaced transaction the one that was mined in its place", async () => {
    await withStuck(async ({ hashes: [first, second], inspect, status, replace, onJournal }) => {
      await replace();
      await lab.chain.request("evm_mine");
      const receipt = await until(() => lab.client.getTransactionReceipt({ hash: second }).catch(() => undefined));
      for (const name of [first, second, BATCH, "1", "req-7"]) {
        const { code, stdout, stderr } = await inspect(name);
        expect(code, stderr).to.equal(0);
        expect(stdout)
          .to.include("1 settled, 0 failed")
          .and.match(new RegExp(`^transaction +${second}`));
        expect(stdout).to.include("signed for it, according to the journal").and.include(`1. ${first}`);
      }
      const { blockNumber, blockHash, gasUsed, effectiveGasPrice } = receipt;
      const feeWei = gasUsed * effectiveGasPrice;
      await onJournal((journal, lease) =>
        journal.concludeBatch(
          lease,
          {
            batchId: BATCH,
            state: "mined",
            receipt: { hash: second, blockNumber, blockHash, succeeded: true, gasUsed, feeWei, dataFeeWei: 0n },
            transitions: [],
          },
          Date.now(),
        ),
      );
      const { stdout } = await status(first);
      expect(stdout).to.include("never mined: another one with its txNonce was");
      expect(stdout).to.include(`mined in block ${blockNumber}: ${gasUsed} gas, `);
      const json = JSON.parse((await inspect(first, "--json")).stdout);
      expect(json).to.include({ status: "settlement", hash: second });
      expect(json.attempts.map(({ fate }: { fate: string }) => fate)).to.deep.equal(["superseded", "mined"]);
    });
  });

  it("says in inspect that nothing was signed for a payment yet, and that there is no such payment", async () => {
    await withStuck(async ({ inspect, onJournal }) => {
      await onJournal(async (journal) => {
        const [queued] = await lab.pay(1, freshAddress(2_999));
        const { authorization } = queued!;
        await journal.accept(
          [
            {
              identity: authorizationId(authorization),
              digest: termsDigest(authorization),
              work: { kind: "authorization", authorization, payerHasCode: false },
              deadlineSeconds: authorization.validBefore,
              acceptedBlock: 1n,
              source: undefined,
            },
          ],
          1,
        );
      });
      const { code, stderr } = await inspect("2");
      expect(code).to.equal(2);
      expect(stderr).to.include("No transaction was signed for 2 yet.").and.include("Payment 2 is queued");
      const unknown = await inspect("req-8");
      expect(unknown.code).to.equal(2);
      expect(unknown.stderr).to.include("The journal has no payment req-8.").and.include("source or request id");
    });
  });
});

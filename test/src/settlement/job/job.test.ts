import { DatabaseSync } from "node:sqlite";
import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../../../../src/chain/errors.ts";
import type { LinePayment } from "../../../../src/cli/input/input.ts";
import type { PaymentState } from "../../../../src/journal/index.ts";
import {
  type JobOptions,
  type Journal,
  JournalError,
  openJournal,
  SenderHeldError,
  type SettlementReport,
  settlePayments,
  startEngine,
  summarise,
} from "../../../../src/settlement/index.ts";
import {
  BURNING_CODE,
  type ChainLab,
  type Fault,
  freshAddress,
  type NodeRequest,
  openChainLab,
  startFaultyNode,
} from "../../../helpers/chainLab.ts";
import { withFolder } from "../../../helpers/cli.ts";
import { startPacedClock } from "../../../helpers/pacedClock.ts";
import { until } from "../../../helpers/until.ts";

/** How long a job waits in vain, by a clock that the test moves. */
const WAIT_MS = 60_000;

describe("settlePayments", () => {
  let lab: ChainLab;
  let journal: Journal;
  let fresh = 500;
  const nextPayee = () => freshAddress(fresh++);
  const settle = (payments: readonly LinePayment[], options: Partial<JobOptions<LinePayment>> = {}) =>
    settlePayments(lab.client, { payments, journal: journal, senders: [lab.account], waitMs: 300_000, ...options });
  /** Settles through a node with this fault. */
  const settleThrough = async (
    fault: (request: NodeRequest) => Fault,
    payments: readonly LinePayment[],
    options: Partial<JobOptions<LinePayment>> = {},
  ) => {
    const node = await startFaultyNode(lab.chain.rpcUrl, fault);
    try {
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
      return await settlePayments(client, { payments, journal: journal, senders: [lab.account], ...options });
    } finally {
      await node.stop();
    }
  };
  /** Runs a job that waits in vain: its time passes once it has done what it can. */
  const inVain = async (
    isDone: () => Promise<boolean> | boolean,
    run: (options: Partial<JobOptions<LinePayment>>) => Promise<SettlementReport>,
  ): Promise<SettlementReport> => {
    const clock = startPacedClock(() => lab.chain.request("eth_chainId"));
    // A transaction keeps its hash and the job its key, however much time passes.
    const never = 100_000 * WAIT_MS;
    const job = run({ clock, waitMs: WAIT_MS, policy: { leaseTtlMs: never }, pace: { replaceAfterMs: never } });
    let isOver = false;
    const over = job.then(
      () => {
        isOver = true;
      },
      () => {
        isOver = true;
      },
    );
    await until(async () => isOver || (await isDone()), "the job has done what it can");
    await until(() => {
      if (!isOver) clock.jump(WAIT_MS);
      return isOver;
    }, "the job ends");
    await over;
    clock.stop();
    return job;
  };
  const countOf = async (state: PaymentState) => (await journal.count())[state] ?? 0;
  const named = ({ results }: SettlementReport) =>
    results.map(({ outcome }) => (outcome.status === "rejected" ? outcome.reason : outcome.status));

  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  it("settles payments and reports them in the order of the input, with shares that add up to the gas", async () => {
    const payee = nextPayee();
    const payments = await lab.pay(30, payee);
    const progress: number[] = [];
    const report = await settle(payments, { onProgress: ({ decided }) => progress.push(decided) });

    expect(report.stopped).to.equal(undefined);
    expect(report.routerUsed).to.equal(true);
    expect(report.results.map(({ line }) => line)).to.deep.equal(payments.map(({ line }) => line));
    expect(report.results.every(({ outcome }) => outcome.status === "settled" && outcome.when === "now")).to.equal(
      true,
    );
    expect(await lab.balanceOf(payee)).to.equal(
      payments.reduce((sum, { authorization }) => sum + authorization.value, 0n),
    );
    const { transactions, gasUsed, settledNow } = summarise(report);
    expect([transactions, settledNow.count]).to.deep.equal([1, 30]);
    const shares = report.results.map(({ outcome }) => (outcome.status === "settled" ? (outcome.gasShare ?? 0n) : 0n));
    expect(shares.reduce((sum, share) => sum + share, 0n)).to.equal(gasUsed);
    expect(report.transactions[0]).to.include({ kind: "router", payments: 30, settled: 30, succeeded: true });
    expect(progress.at(-1)).to.equal(30);
    expect(progress).to.deep.equal([...progress].sort((a, b) => a - b));
  });

  it("sends nothing for what is decided already, by this journal or by somebody else", async () => {
    const payments = await lab.pay(5, nextPayee());
    await settle(payments);
    const count = await lab.transactionCount();
    const again = await settle(payments);
    expect(again.results.map(({ outcome }) => "when" in outcome && outcome.when)).to.deep.equal(
      Array(5).fill("before"),
    );
    expect(again.transactions).to.deep.equal([]);

    const other = await openJournal(":memory:");
    const elsewhere = await settle(payments, { journal: other });
    await other.close();
    expect(elsewhere.results.map(({ outcome }) => "when" in outcome && outcome.when)).to.deep.equal(
      Array(5).fill("elsewhere"),
    );
    expect(
      elsewhere.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash),
    ).to.deep.equal(again.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash));
    expect(await lab.transactionCount()).to.equal(count);
  });

  it("says why each payment cannot settle, and settles the others", async () => {
    const payee = nextPayee();
    const now = await lab.chain.now();
    const good = await lab.pay(1, payee);
    const terms = { to: payee, value: 5n };
    const signed = {
      expired: await lab.chain.sign(lab.keyOf(1), { ...terms, validBefore: now - 1n }),
      early: await lab.chain.sign(lab.keyOf(1), { ...terms, validAfter: now + 1_000n }),
      poor: await lab.chain.sign(lab.keyOf(15), terms),
      altered: { ...(await lab.chain.sign(lab.keyOf(2), terms)), value: 6n },
      elsewhere: { ...(await lab.chain.sign(lab.keyOf(2), terms)), chainId: 8453 },
      twice: { ...good[0]!.authorization },
      variant: await lab.chain.sign(lab.keyOf(1), { ...terms, nonce: good[0]!.authorization.nonce }),
      blocked: await lab.chain.sign(lab.keyOf(7), terms),
    };
    await lab.block(signed.blocked.from);
    const payments = [...good, ...Object.values(signed).map((authorization, i) => ({ line: i + 2, authorization }))];
    const report = await settle(payments);
    expect(named(report)).to.deep.equal([
      "settled",
      "expired",
      "deferred",
      "underfunded",
      "bad-signature",
      "wrong-chain",
      "duplicate",
      "already-used",
      "blocked",
    ]);
    expect(report.transactions.map(({ payments: carried, settled }) => [carried, settled])).to.deep.equal([[1, 1]]);
    expect(report.results[2]?.outcome).to.deep.equal({ status: "deferred", validFromSeconds: now + 1_001n });
    expect(await lab.balanceOf(payee)).to.equal(good[0]!.authorization.value);
  });

  it("settles a payment although a forged one with its nonce comes first, and tells them apart on every run", async () => {
    const payee = nextPayee();
    const [genuine, other] = await lab.pay(2, payee);
    const { authorization } = genuine!;
    const forged = [
      { ...authorization, value: authorization.value + 1n },
      { ...authorization, signature: other!.authorization.signature },
    ];
    const payments = [...forged, authorization].map((one, i) => ({ line: i + 1, authorization: one }));
    const outcomes = ["bad-signature", "bad-signature", "settled"];
    expect(named(await settle(payments))).to.deep.equal(outcomes);
    expect(await lab.balanceOf(payee)).to.equal(authorization.value);

    const sent = await lab.transactionCount();
    expect(named(await settle(payments))).to.deep.equal(outcomes);
    expect(named(await settle(payments, { journal: ":memory:" }))).to.deep.equal(outcomes);
    expect(await lab.transactionCount()).to.equal(sent);
  });

  it("settles the larger of two terms that a payer signed under one nonce, whichever comes first", async () => {
    const payee = nextPayee();
    const small = await lab.chain.sign(lab.keyOf(1), { to: payee, value: 5n });
    const large = await lab.chain.sign(lab.keyOf(1), { to: payee, value: 9n, nonce: small.nonce });
    const payments = [small, large].map((authorization, i) => ({ line: i + 1, authorization }));
    expect(named(await settle(payments))).to.deep.equal(["already-used", "settled"]);
    expect(named(await settle(payments, { journal: ":memory:" }))).to.deep.equal(["already-used", "settled"]);
    expect(await lab.balanceOf(payee)).to.equal(9n);
  });

  it("tries again what the token refused, once the payer has the money", async () => {
    const payee = nextPayee();
    const poor = lab.keyOf(16);
    const authorization = await lab.chain.sign(poor, { to: payee, value: 7n });
    const first = await settle([{ line: 1, authorization }]);
    expect(first.results[0]?.outcome).to.include({ status: "rejected", reason: "underfunded" });
    await lab.chain.fund(poor.address, 7n);
    const second = await settle([{ line: 1, authorization }]);
    expect(second.results[0]?.outcome).to.include({ status: "settled", when: "now" });
    expect(await lab.balanceOf(payee)).to.equal(7n);
  });

  it("settles what another run left in the queue", async () => {
    const payee = nextPayee();
    const [left, mine] = await lab.pay(2, payee);
    const engine = await startEngine(lab.client, {
      journal,
      senders: [lab.account],
      pace: { lingerMs: 60_000, maxLingerMs: 60_000 },
    });
    await engine.accept([{ authorization: left!.authorization }]);
    await engine.close();
    expect(await journal.count()).to.deep.equal({ queued: 1 });
    await settle([mine!]);
    expect(await journal.count()).to.deep.equal({ settled: 2 });
    expect(await lab.balanceOf(payee)).to.equal(left!.authorization.value + mine!.authorization.value);
  });

  it("sends nothing if the sender has no ether", async () => {
    const payments = await lab.pay(2, nextPayee());
    const broke = privateKeyToAccount(`0x${"42".repeat(32)}`);
    const report = await settle(payments, { senders: [broke] });
    expect(report.stopped?.shortMessage).to.equal("The sender cannot pay for the transaction's gas.");
    expect(report.results.map(({ outcome }) => outcome.status)).to.deep.equal(["not-attempted", "not-attempted"]);
    expect(await journal.count()).to.deep.equal({});
  });

  it("keeps out a payer whose code burns gas, and settles the others in one transaction", async () => {
    const burner = await lab.payerWithCode(201, BURNING_CODE);
    const burning = await Promise.all([1n, 1n].map((value) => lab.chain.sign(burner, { to: nextPayee(), value })));
    const good = await lab.pay(3, nextPayee());
    const report = await settle([...good, ...burning.map((authorization, i) => ({ line: i + 4, authorization }))]);
    expect(named(report)).to.deep.equal(["settled", "settled", "settled", "gas-capped", "gas-capped"]);
    expect(report.transactions).to.have.lengthOf(1);
  });

  it("refuses to send beside another engine with the key", async () => {
    const engine = await startEngine(lab.client, { journal, senders: [lab.account], policy: { leaseTtlMs: 1_000 } });
    const error = await settle(await lab.pay(1, nextPayee())).catch((cause: unknown) => cause);
    await engine.close();
    expect(error).to.be.instanceOf(SenderHeldError);
    expect(error)
      .to.have.property("shortMessage")
      .that.includes(`Another engine sends from ${lab.account.address}: process ${process.pid} on `);
  });

  it("waits for the lease of an engine that died, and continues", async () => {
    const payments = await lab.pay(1, nextPayee());
    const request = { chainId: lab.client.chain.id, sender: lab.account.address, owner: "dead" };
    await journal.acquireLease({ ...request, ttlMs: 1_500 });
    const waits: number[] = [];
    const startedAt = performance.now();
    const report = await settle(payments, { onHeld: ({ waitMs }) => waits.push(waitMs) });
    expect(report.results[0]?.outcome).to.include({ status: "settled", when: "now" });
    expect(waits).to.deep.equal([1_500]);
    expect(performance.now()).to.be.at.least(startedAt + 1_500);
  });

  it("reports as pending what is sent and not mined, and learns the outcome on the next run", async () => {
    const still = await openChainLab({ blockTimeSeconds: 3_600 });
    try {
      const payments = await still.pay(3, nextPayee());
      const options = { journal: journal, senders: [still.account] };
      const isSent = async () => (await countOf("submitted")) === 3;
      const first = await inVain(isSent, (more) => settlePayments(still.client, { payments, ...options, ...more }));
      expect(first.results.map(({ outcome }) => outcome.status)).to.deep.equal(Array(3).fill("pending"));
      const hashes = first.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash);
      await still.chain.request("evm_mine");
      const second = await settlePayments(still.client, { payments, ...options });
      expect(second.results.map(({ outcome }) => "when" in outcome && outcome.when)).to.deep.equal(
        Array(3).fill("before"),
      );
      expect(
        second.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash),
      ).to.deep.equal(hashes);
      expect(second.transactions).to.have.lengthOf(1);
      expect(second.transactions[0]).to.include({ payments: 3, settled: 3 });
    } finally {
      await still.chain.stop();
    }
  });

  it("does not wait for payments that are put off: they stay in the queue", async () => {
    const payee = nextPayee();
    const payer = lab.keyOf(17);
    await lab.chain.fund(payer.address, 10n);
    const authorizations = await Promise.all([6n, 6n].map((value) => lab.chain.sign(payer, { to: payee, value })));
    const payments = authorizations.map((authorization, i) => ({ line: i + 1, authorization }));
    // For longer than the test runs.
    const { results } = await settle(payments, { waitMs: 3_600_000 });
    const statuses = results.map(({ outcome }) => outcome.status);
    expect(statuses.filter((status) => status === "settled")).to.have.lengthOf(1);
    expect(await lab.balanceOf(payee)).to.equal(6n);
  });

  it("ends early when it is told to, and leaves the rest in the journal", async () => {
    const payee = nextPayee();
    const payments = await lab.pay(3, payee);
    const stop = new AbortController();
    stop.abort();
    const report = await settle(payments, { signal: stop.signal });
    expect(report.results.every(({ outcome }) => outcome.status === "not-attempted")).to.equal(true);
    expect(await lab.balanceOf(payee)).to.equal(0n);
  });

  describe("its journal", () => {
    it("may be a file, with which another call continues what the first one left", async () => {
      await withFolder(async (folder) => {
        const journal = `${folder}/journal.db`;
        const payments = await lab.pay(2, nextPayee());
        const stop = AbortSignal.abort();
        expect(named(await settle(payments.slice(0, 1), { journal }))).to.deep.equal(["settled"]);
        expect(named(await settle(payments, { journal, signal: stop }))).to.deep.equal([
          "not-attempted",
          "not-attempted",
        ]);
        const { results } = await settle(payments, { journal });
        expect(results.map(({ outcome }) => "when" in outcome && outcome.when)).to.deep.equal(["before", "now"]);
      });
    });

    it("is in memory by default: the chain alone tells the next call what settled", async () => {
      const payments = await lab.pay(2, nextPayee());
      for (const when of ["now", "elsewhere"]) {
        const { results } = await settlePayments(lab.client, { payments, senders: [lab.account] });
        expect(results.map(({ outcome }) => "when" in outcome && outcome.when)).to.deep.equal([when, when]);
      }
    });

    it("is refused on another chain with the same id, such as a local chain that began anew", async () => {
      await settle([]);
      const other = await openChainLab();
      try {
        const options = { journal: journal, senders: [other.account] };
        const error = await settlePayments(other.client, { payments: [], ...options }).catch((cause: unknown) => cause);
        expect(error).to.be.instanceOf(JournalError);
        expect(error).to.have.property("shortMessage", "The journal belongs to another chain with the id 84532.");
      } finally {
        await other.chain.stop();
      }
    });

    it("ends the job when it cannot be written: nothing is sent that it does not hold", async () => {
      await withFolder(async (folder) => {
        const payments = await lab.pay(100, nextPayee());
        const path = `${folder}/journal.db`;
        await (await openJournal(path)).close();
        const database = new DatabaseSync(path, { readOnly: true });
        const empty = Number(database.prepare("pragma page_count").get()?.page_count);
        database.close();
        // There is room for the journal's own notes, but not for so many payments.
        const full = await openJournal(path, { maxPageCount: empty + 3 });
        const count = await lab.transactionCount();
        const report = await settle(payments, { journal: full }).finally(() => full.close());
        expect(report.stopped).to.be.instanceOf(JournalError).and.to.have.property("kind", "full");
        expect(new Set(named(report))).to.deep.equal(new Set(["not-attempted"]));
        expect(await lab.transactionCount()).to.equal(count);
      });
    });
  });

  describe("with a node that fails", () => {
    it("sends the same bytes again in the next run if the first broadcast never arrived", async () => {
      const payee = nextPayee();
      const payments = await lab.pay(3, payee);
      let sends = 0;
      const lost = ({ method }: NodeRequest): Fault => {
        if (method !== "eth_sendRawTransaction") return "pass";
        sends += 1;
        return { error: { code: -32000, message: "connection reset" } };
      };
      const first = await inVain(
        () => sends > 0,
        (options) => settleThrough(lost, payments, options),
      );
      expect(named(first)).to.deep.equal(["pending", "pending", "pending"]);
      const second = await settle(payments);
      expect(named(second)).to.deep.equal(["settled", "settled", "settled"]);
      const hashes = first.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash);
      expect(second.transactions.map(({ hash }) => hash)).to.deep.equal([hashes[0]]);
      expect(await lab.balanceOf(payee)).to.equal(3003n);
    });

    it("tells apart what settled and what was not sent when the node no longer answers", async () => {
      const payments = await lab.pay(30, nextPayee());
      let sends = 0;
      const dying = ({ method }: NodeRequest): Fault => {
        if (method === "eth_sendRawTransaction") sends += 1;
        return sends >= 1 && method !== "eth_sendRawTransaction" ? "hang-up" : "pass";
      };
      const limits = { maxGasPerTransaction: 500_000n };
      const report = await inVain(
        () => sends > 0,
        (options) => settleThrough(dying, payments, { ...options, policy: { ...options.policy, limits } }),
      );
      expect(report.stopped).to.be.instanceOf(ChainUnavailableError);
      expect(new Set(named(report))).to.deep.equal(new Set(["pending", "not-attempted"]));
      const second = await settle(payments);
      expect(new Set(named(second))).to.deep.equal(new Set(["settled"]));
    });

    it("says so when the sender runs out of ether during the job", async () => {
      const payments = await lab.pay(30, nextPayee());
      let asked = 0;
      const broke = ({ method }: NodeRequest): Fault => {
        if (method !== "eth_getBalance") return "pass";
        asked += 1;
        return asked === 1 ? "pass" : { result: "0x0" };
      };
      const policy = { minimumSenderBalanceWei: 1n };
      const report = await settleThrough(broke, payments, { policy });
      expect(report.stopped).to.be.instanceOf(TransactionRefusedError);
      expect(new Set(named(report))).to.deep.equal(new Set(["not-attempted"]));
    });

    it("halves a batch whose pre-flight no node answers, until it does", async () => {
      const payee = nextPayee();
      const payments = await lab.pay(16, payee);
      const router = `"to":"${lab.router.toLowerCase()}"`;
      const weak = ({ method, params: [first] }: NodeRequest): Fault => {
        const text = JSON.stringify(first ?? null).toLowerCase();
        if (method !== "eth_call" || !text.includes(router) || text.length < 2_500) return "pass";
        return { error: { code: -32000, message: "execution aborted (timeout = 5s)" } };
      };
      const report = await settleThrough(weak, payments);
      expect(new Set(named(report))).to.deep.equal(new Set(["settled"]));
      expect(report.transactions.length).to.be.greaterThan(1);
      expect(await lab.balanceOf(payee)).to.equal(16_120n);
    });

    it("leaves out a payment that no node answers for in any case, and settles the others", async () => {
      const payments = await lab.pay(4, nextPayee());
      const poison = payments[2]!.authorization.nonce.slice(2);
      const weak = ({ method, params: [first] }: NodeRequest): Fault => {
        const text = JSON.stringify(first ?? null);
        // The lens reads nonces as well: only what carries the whole transfer fails.
        if (method !== "eth_call" || !text.includes(poison) || !/e3ee160e|"to"/.test(text)) return "pass";
        return { error: { code: -32000, message: "internal error" } };
      };
      const report = await inVain(
        async () => (await countOf("settled")) === 3,
        (options) => settleThrough(weak, payments, options),
      );
      expect(named(report)).to.deep.equal(["settled", "settled", "not-attempted", "settled"]);
      expect(report.stopped).to.equal(undefined);
    });
  });
});

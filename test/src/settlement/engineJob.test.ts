import { expect } from "chai";
import { privateKeyToAccount } from "viem/accounts";
import { SenderHeldError } from "../../../src/settlement/engine.ts";
import { type EngineJobOptions, settleWithEngine } from "../../../src/settlement/engineJob.ts";
import { type JobPayment, summarise } from "../../../src/settlement/index.ts";
import { startEngine } from "../../../src/settlement/startEngine.ts";
import { openStore, type Store } from "../../../src/settlement/store/index.ts";
import { type ChainLab, freshAddress, openChainLab } from "../../helpers/chainLab.ts";

describe("settleWithEngine", () => {
  let lab: ChainLab;
  let store: Store;
  let fresh = 500;
  const nextPayee = () => freshAddress(fresh++);
  const settle = (payments: readonly JobPayment[], options: Partial<EngineJobOptions> = {}) =>
    settleWithEngine(lab.client, payments, { store, senders: [lab.account], waitMs: 20_000, ...options });

  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());
  beforeEach(async () => {
    store = await openStore(":memory:");
  });
  afterEach(() => store.close());

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
    const { transactions, gasUsed, settledNow } = summarise(report.results, report.transactions);
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

    const other = await openStore(":memory:");
    const elsewhere = await settle(payments, { store: other });
    await other.close();
    expect(elsewhere.results.map(({ outcome }) => "when" in outcome && outcome.when)).to.deep.equal(
      Array(5).fill("elsewhere"),
    );
    expect(
      elsewhere.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash),
    ).to.deep.equal(again.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash));
    expect(await lab.transactionCount()).to.equal(count);
  });

  it("says of each payment that cannot settle why, and settles the others", async () => {
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
      twice: good[0]!.authorization,
    };
    const payments = [...good, ...Object.values(signed).map((authorization, i) => ({ line: i + 2, authorization }))];
    const { results } = await settle(payments);
    expect(results.map(({ outcome }) => ("reason" in outcome ? outcome.reason : outcome.status))).to.deep.equal([
      "settled",
      "expired",
      "deferred",
      "underfunded",
      "bad-signature",
      "wrong-chain",
      "duplicate",
    ]);
    expect(results[2]?.outcome).to.deep.equal({ status: "deferred", validFromSeconds: now + 1_001n });
    expect(await lab.balanceOf(payee)).to.equal(good[0]!.authorization.value);
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

  it("takes up what another run left in the queue", async () => {
    const payee = nextPayee();
    const [left, mine] = await lab.pay(2, payee);
    const engine = await startEngine({
      store,
      chain: { client: lab.client },
      senders: [lab.account],
      policy: { lingerMs: 60_000, maxLingerMs: 60_000 },
    });
    await engine.accept([{ authorization: left!.authorization }]);
    await engine.close();
    expect(await store.count()).to.deep.equal({ queued: 1 });
    await settle([mine!]);
    expect(await store.count()).to.deep.equal({ settled: 2 });
    expect(await lab.balanceOf(payee)).to.equal(left!.authorization.value + mine!.authorization.value);
  });

  it("sends nothing where the sender has no ether", async () => {
    const payments = await lab.pay(2, nextPayee());
    const broke = privateKeyToAccount(`0x${"42".repeat(32)}`);
    const report = await settle(payments, { senders: [broke] });
    expect(report.stopped?.shortMessage).to.equal("The sender cannot pay for the transaction's gas.");
    expect(report.results.map(({ outcome }) => outcome.status)).to.deep.equal(["not-attempted", "not-attempted"]);
    expect(await store.count()).to.deep.equal({});
  });

  it("refuses to send beside another engine with the key", async () => {
    const engine = await startEngine({
      store,
      chain: { client: lab.client },
      senders: [lab.account],
      policy: { leaseTtlMs: 1_000 },
    });
    const error = await settle(await lab.pay(1, nextPayee())).catch((cause: unknown) => cause);
    await engine.close();
    expect(error).to.be.instanceOf(SenderHeldError);
    expect(error).to.have.property("shortMessage", `Another engine sends from ${lab.account.address}.`);
  });

  it("waits for the lease of an engine that died, and goes on", async () => {
    const payments = await lab.pay(1, nextPayee());
    const nowMs = Date.now();
    const request = { chainId: lab.client.chain.id, sender: lab.account.address, owner: "dead" };
    await store.acquireLease({ ...request, nowMs, ttlMs: 1_500 });
    const waits: number[] = [];
    const report = await settle(payments, { onHeld: (waitMs) => waits.push(waitMs) });
    expect(report.results[0]?.outcome).to.include({ status: "settled", when: "now" });
    expect(waits).to.have.lengthOf(1);
    expect(Date.now()).to.be.at.least(nowMs + 1_500);
  });

  it("reports as pending what is sent and not mined, and learns the outcome on the next run", async () => {
    const still = await openChainLab({ blockTimeSeconds: 3_600 });
    try {
      const payments = await still.pay(3, nextPayee());
      const options = { store, senders: [still.account], waitMs: 1_500 };
      const first = await settleWithEngine(still.client, payments, options);
      expect(first.results.map(({ outcome }) => outcome.status)).to.deep.equal(Array(3).fill("pending"));
      const hashes = first.results.map(({ outcome }) => "transactionHash" in outcome && outcome.transactionHash);
      await still.chain.request("evm_mine");
      const second = await settleWithEngine(still.client, payments, options);
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
    const started = Date.now();
    const { results } = await settle(payments, { waitMs: 60_000 });
    expect(Date.now() - started).to.be.below(20_000);
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
});

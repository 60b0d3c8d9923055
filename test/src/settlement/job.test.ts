import { expect } from "chai";
import { authorizationId } from "../../../src/authorization/identity.ts";
import { connectChain } from "../../../src/chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../../../src/chain/errors.ts";
import { type JobPayment, JournalError, type SentTransaction, settlePayments } from "../../../src/settlement/index.ts";
import { BURNING_CODE, type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../helpers/chainLab.ts";

/** A journal in memory that a later run can be given. */
function memory() {
  const sent: SentTransaction[] = [];
  return { sent, append: (transaction: SentTransaction) => void sent.push(transaction) };
}

function total(payments: readonly JobPayment[]): bigint {
  return payments.reduce((sum, { authorization }) => sum + authorization.value, 0n);
}

describe("settlePayments", () => {
  let lab: ChainLab;
  let fresh = 100;
  const nextPayee = () => {
    fresh += 1;
    return freshAddress(fresh);
  };
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  const run = (payments: readonly JobPayment[], options: Partial<Parameters<typeof settlePayments>[3]> = {}) =>
    settlePayments(lab.client, lab.account, payments, { journal: memory(), ...options });

  const named = ({ results }: Awaited<ReturnType<typeof run>>) =>
    results.map(({ outcome }) => (outcome.status === "rejected" ? outcome.reason : outcome.status));

  it("settles in one transaction, with a proof and a share of the gas for each payment", async () => {
    const payee = nextPayee();
    const payments = await lab.pay(7, payee);
    const report = await run(payments);
    expect(report).to.include({ routerUsed: true, stopped: undefined });
    const [transaction] = report.transactions;
    expect(report.transactions).to.have.lengthOf(1);
    expect(transaction).to.include({ kind: "router", succeeded: true, payments: 7, settled: 7 });
    let shares = 0n;
    for (const [index, { line, authorization, outcome }] of report.results.entries()) {
      expect([line, authorization]).to.deep.equal([index + 1, payments[index]?.authorization]);
      if (outcome.status !== "settled") throw new Error(`payment ${index} is ${outcome.status}`);
      expect(outcome).to.include({ when: "now", transactionHash: transaction?.hash });
      shares += outcome.gasShare ?? 0n;
    }
    expect(shares).to.equal(transaction?.gasUsed);
    expect(await lab.balanceOf(payee)).to.equal(total(payments));
  });

  it("reports progress up to the last payment", async () => {
    const seen: number[] = [];
    await run(await lab.pay(3, nextPayee()), { onProgress: ({ decided }) => seen.push(decided) });
    expect(seen.at(-1)).to.equal(3);
    expect([...seen].sort((a, b) => a - b)).to.deep.equal(seen);
  });

  it("has an outcome for a payment that is there twice, as itself, as a copy and as a variant", async () => {
    const payee = nextPayee();
    const [payment] = await lab.pay(1, payee);
    const { authorization } = payment!;
    const variant = await lab.chain.sign(lab.keyOf(1), { to: payee, value: 9n, nonce: authorization.nonce });
    const others = [authorization, { ...authorization }, variant].map((one, i) => ({
      line: i + 2,
      authorization: one,
    }));
    expect(named(await run([payment!, ...others]))).to.deep.equal(["settled", "duplicate", "duplicate", "variant"]);
    expect(await lab.balanceOf(payee)).to.equal(1000n);
  });

  it("does nothing for another chain's payments", async () => {
    const [payment] = await lab.pay(1, nextPayee());
    const authorization = { ...payment!.authorization, chainId: 8453 };
    expect(named(await run([{ line: 1, authorization }]))).to.deep.equal(["wrong-chain"]);
  });

  it("finds out in the pre-flight who would fail, and settles the others", async () => {
    const payee = nextPayee();
    const payments = await lab.pay(4, payee);
    const altered = { ...payments[1]!.authorization, value: 1n };
    const blocked = await lab.chain.sign(lab.keyOf(7), { to: payee, value: 5n });
    await lab.block(blocked.from);
    const mixed = payments.map((payment) => payment.authorization);
    mixed[1] = altered;
    mixed.push(blocked);
    const report = await run(mixed.map((authorization, index) => ({ line: index + 1, authorization })));
    expect(named(report)).to.deep.equal(["settled", "bad-signature", "settled", "settled", "blocked"]);
    expect(report.transactions[0]).to.include({ payments: 3, settled: 3 });
  });

  it("holds a payer back whose code burns gas", async () => {
    const payee = nextPayee();
    const burner = await lab.payerWithCode(201, BURNING_CODE);
    const burning = await Promise.all(
      Array.from({ length: 12 }, () => lab.chain.sign(burner, { to: payee, value: 1n })),
    );
    const good = await lab.pay(3, payee);
    const all = [...good, ...burning.map((authorization, index) => ({ line: index + 4, authorization }))];
    const report = await run(all);
    const outcomes = named(report);
    expect(outcomes.slice(0, 3)).to.deep.equal(["settled", "settled", "settled"]);
    expect(new Set(outcomes.slice(3))).to.deep.equal(new Set(["gas-capped", "payer-held"]));
    expect(report.transactions).to.have.lengthOf(1);
  });

  it("settles what a payer settled elsewhere no second time", async () => {
    const payments = await lab.pay(2, nextPayee());
    const first = await run(payments);
    const second = await run(payments);
    const [before, after] = [first, second].map(({ results }) => results[0]!.outcome);
    if (before?.status !== "settled" || after?.status !== "settled") throw new Error("not settled");
    const { transactionHash, blockNumber, logIndex } = before;
    expect(after).to.deep.include({ when: "elsewhere", transactionHash, blockNumber, logIndex });
    expect(second.transactions).to.deep.equal([]);
  });

  describe("with the journal of an earlier run", () => {
    it("waits for what is still open instead of sending it anew", async () => {
      const payments = await lab.pay(3, nextPayee());
      const journal = memory();
      await lab.chain.request("evm_setAutomine", [false]);
      try {
        const first = await run(payments, { journal, inclusionTimeoutMs: 1 });
        expect(named(first)).to.deep.equal(["pending", "pending", "pending"]);
        const rerun = run(payments, { journal, inclusionTimeoutMs: 10_000 });
        await lab.chain.request("evm_mine");
        const second = await rerun;
        expect(second.results.map(({ outcome }) => outcome)).to.satisfy((outcomes: { when?: string }[]) =>
          outcomes.every(({ when }) => when === "before"),
        );
        expect(journal.sent).to.have.lengthOf(1);
      } finally {
        await lab.chain.request("evm_setAutomine", [true]);
      }
    });

    it("sends again what the node has lost", async () => {
      const payee = nextPayee();
      const payments = await lab.pay(3, payee);
      const journal = memory();
      // The first run's broadcast never arrives.
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
        method === "eth_sendRawTransaction" ? { error: { code: -32000, message: "connection reset" } } : "pass",
      );
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 }, pollingIntervalMs: 20 });
      const first = await settlePayments(client, lab.account, payments, { journal, inclusionTimeoutMs: 50 });
      await node.stop();
      expect(named(first)).to.deep.equal(["pending", "pending", "pending"]);
      const second = await run(payments, { journal });
      expect(named(second)).to.deep.equal(["settled", "settled", "settled"]);
      expect(second.transactions.map(({ hash }) => hash)).to.deep.equal(journal.sent.map(({ hash }) => hash));
      expect(await lab.balanceOf(payee)).to.equal(total(payments));
    });

    it("starts afresh on a chain that began anew, where those transactions could never be mined", async () => {
      const payee = nextPayee();
      const payments = await lab.pay(2, payee);
      const journal = memory();
      const txNonce = (await lab.transactionCount()) + 50;
      const sent = { hash: `0x${"11".repeat(32)}`, raw: "0x02", txNonce, from: lab.account.address } as const;
      const ids = payments.map(({ authorization }) => authorizationId(authorization));
      journal.append({ ...sent, chainId: 84532, batch: undefined, ids });
      expect(named(await run(payments, { journal }))).to.deep.equal(["settled", "settled"]);
    });

    it("reports as pending what it cannot look up", async () => {
      const payments = await lab.pay(2, nextPayee());
      const journal = memory();
      await run(payments, { journal });
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
        method === "eth_getTransactionReceipt" ? { error: { code: -32000, message: "busy" } } : "pass",
      );
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
      const report = await settlePayments(client, lab.account, payments, { journal });
      await node.stop();
      expect(named(report)).to.deep.equal(["pending", "pending"]);
      expect(report.stopped).to.be.instanceOf(ChainUnavailableError);
    });
  });

  describe("when it is stopped", () => {
    const limits = { maxGasPerTransaction: 500_000n };

    it("concludes what is in flight after the node failed", async () => {
      const payments = await lab.pay(30, nextPayee());
      let sends = 0;
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) => {
        if (method === "eth_sendRawTransaction") sends += 1;
        return method === "eth_call" && sends >= 2 ? "hang-up" : "pass";
      });
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 }, pollingIntervalMs: 20 });
      // The node answers no eth_call any more, and after that nothing at all about its head.
      const report = await settlePayments(client, lab.account, payments, { journal: memory(), limits });
      await node.stop();
      const outcomes = named(report);
      const settled = outcomes.filter((status) => status === "settled").length;
      expect(settled).to.be.greaterThan(0);
      expect(new Set(outcomes)).to.deep.equal(new Set(["settled", "not-attempted"]));
      expect(report.transactions.reduce((sum, transaction) => sum + transaction.settled, 0)).to.equal(settled);
    });

    it("keeps what is known when the sender runs out of ether", async () => {
      const payments = await lab.pay(30, nextPayee());
      let refusing = false;
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) => {
        if (method !== "eth_sendRawTransaction") return "pass";
        if (refusing) return { error: { code: -32000, message: "insufficient funds for gas * price + value" } };
        refusing = true;
        return "pass";
      });
      const client = await connectChain(node.rpcUrl, { pollingIntervalMs: 20 });
      const report = await settlePayments(client, lab.account, payments, { journal: memory(), limits });
      await node.stop();
      expect(report.stopped).to.be.instanceOf(TransactionRefusedError);
      expect(report.transactions).to.have.lengthOf(1);
      expect(new Set(named(report))).to.deep.equal(new Set(["settled", "not-attempted"]));
    });

    it("sends nothing that the journal does not hold", async () => {
      const payments = await lab.pay(2, nextPayee());
      const count = await lab.transactionCount();
      const append = () => {
        throw new JournalError("The disk is full.");
      };
      const report = await run(payments, { journal: { sent: [], append } });
      expect(report.stopped).to.be.instanceOf(JournalError);
      expect(report.results[0]?.outcome).to.deep.equal({ status: "not-attempted", message: "The disk is full." });
      expect(await lab.transactionCount()).to.equal(count);
    });
  });

  describe("when the pre-flight of a batch fails as a whole", () => {
    it("halves it until the node can answer", async () => {
      const payee = nextPayee();
      const payments = await lab.pay(16, payee);
      // A node that gives up on calls with more than about 1,000 bytes of data.
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method, params: [first] }) => {
        const text = JSON.stringify(first ?? null);
        const isBatch = method === "eth_call" && text.toLowerCase().includes(`"to":"${lab.router.toLowerCase()}"`);
        if (!isBatch || text.length < 2_500) return "pass";
        return { error: { code: -32000, message: "execution aborted (timeout = 5s)" } };
      });
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 }, pollingIntervalMs: 20 });
      const report = await settlePayments(client, lab.account, payments, { journal: memory() });
      await node.stop();
      expect(new Set(named(report))).to.deep.equal(new Set(["settled"]));
      expect(report.transactions.length).to.be.greaterThan(1);
      expect(await lab.balanceOf(payee)).to.equal(total(payments));
    });

    it("says so of a payment that fails in any case, and settles the others", async () => {
      const payments = await lab.pay(4, nextPayee());
      const poison = payments[2]!.authorization.nonce.slice(2);
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method, params: [first] }) => {
        const carries = method === "eth_call" && JSON.stringify(first ?? null).includes(poison);
        // The lens reads nonces as well: only what carries the whole transfer fails.
        const isTransfer = /e3ee160e|"to"/.test(JSON.stringify(first ?? null));
        if (!carries || !isTransfer) return "pass";
        return { error: { code: -32000, message: "internal error" } };
      });
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 }, pollingIntervalMs: 20 });
      const report = await settlePayments(client, lab.account, payments, { journal: memory() });
      await node.stop();
      expect(named(report)).to.deep.equal(["settled", "settled", "not-attempted", "settled"]);
      expect(report.stopped).to.equal(undefined);
    });
  });
});

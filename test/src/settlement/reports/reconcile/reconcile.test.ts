import { expect } from "chai";
import { encodeFunctionData, getAddress } from "viem";
import { mockUSDCArtifact } from "../../../../../src/contracts/MockUSDC.ts";
import { type Journal, openJournal } from "../../../../../src/journal/index.ts";
import { sender } from "../../../../../src/local/transaction.ts";
import { settlePayments } from "../../../../../src/settlement/job/job.ts";
import { reconcile } from "../../../../../src/settlement/reports/reconcile/reconcile.ts";
import { type ChainLab, freshAddress, openChainLab } from "../../../../helpers/chainLab.ts";

describe("reconcile", () => {
  let lab: ChainLab;
  let journal: Journal;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());
  beforeEach(async () => {
    journal = await openJournal(":memory:");
  });
  afterEach(() => journal.close());

  const settle = (payments: Awaited<ReturnType<ChainLab["pay"]>>, on = journal) =>
    settlePayments(lab.client, { payments, journal: on, senders: [lab.account] });
  const compare = async (terms: Partial<Parameters<typeof reconcile>[1]> = {}) =>
    reconcile(lab.client, {
      journal,
      token: lab.chain.usdc,
      fromBlock: 0n,
      toBlock: await lab.client.getBlockNumber(),
      ...terms,
    });
  const transfer = (from: number, to: `0x${string}`, amount: bigint) =>
    sender(lab.chain.request)({
      from: lab.keyOf(from).address,
      to: lab.chain.usdc,
      data: encodeFunctionData({ abi: mockUSDCArtifact.abi, functionName: "transfer", args: [to, amount] }),
    });

  it("matches every settlement, and every balance despite other transfers", async () => {
    const payees = [freshAddress(2_500), freshAddress(2_501)].map((address) => getAddress(address));
    await settle([...(await lab.pay(12, payees[0]!)), ...(await lab.pay(1, payees[1]!))]);
    await transfer(3, payees[0]!, 77n);
    await lab.chain.fund(lab.keyOf(1).address, 5n);

    const result = await compare();
    expect(result).to.include({ drift: 0, balancesChecked: true });
    expect(result.matched).to.deep.equal({ count: 13, value: 12_066n + 1_000n });
    expect(result.differences).to.deep.equal([]);
    expect(result.payees.map(({ address, matched, drift }) => [address, matched.count, drift])).to.deep.equal(
      [...payees].sort().map((address) => [address, address === payees[0] ? 12 : 1, 0n]),
    );
    expect(result.payers).to.have.lengthOf(5);
    expect(result.payers.every(({ drift }) => drift === 0n)).to.equal(true);
  });

  it("shows what is only on the chain, for its payee and its payer", async () => {
    const payee = getAddress(freshAddress(2_502));
    await settle(await lab.pay(2, payee));
    const other = await openJournal(":memory:");
    const [unknown] = await lab.pay(1, payee);
    await settle([unknown!], other);
    await other.close();

    const result = await compare();
    const { from, value, nonce } = unknown!.authorization;
    expect(result.matched.count).to.equal(2);
    expect(result.onlyOnChain).to.deep.equal({ count: 1, value });
    expect(result.differences).to.have.lengthOf(1);
    expect(result.differences[0]).to.include({
      kind: "only-on-chain",
      from,
      to: payee,
      value,
      nonce,
      journal: undefined,
    });
    // The payment, and the balances of both of its parties.
    expect(result.drift).to.equal(3);
    expect(result.payees[0]?.drift).to.equal(value);
    expect(result.payers.find(({ address }) => address === from)?.drift).to.equal(-value);
  });

  it("shows what is only in the journal", async () => {
    const payee = getAddress(freshAddress(2_503));
    await settle(await lab.pay(2, payee));
    const at = await lab.client.getBlock();
    const claimed = (await lab.pay(1, payee))[0]!.authorization;
    const { authorizationId, termsDigest } = await import("../../../../../src/authorization/index.ts");
    await journal.accept(
      [
        {
          identity: authorizationId(claimed),
          digest: termsDigest(claimed),
          work: { kind: "authorization", authorization: claimed, payerHasCode: false },
          deadlineSeconds: claimed.validBefore,
          acceptedBlock: at.number,
          source: undefined,
        },
      ],
      Date.now(),
    );
    const evidence = {
      kind: "transfer",
      transactionHash: at.hash,
      blockNumber: at.number,
      blockHash: at.hash,
      logIndex: 0,
      gasShare: 1n,
      feeShareWei: 1n,
      level: "included",
    } as const;
    await journal.transition([{ paymentId: 3, from: ["queued"], to: "settled", evidence }], Date.now());

    const result = await compare();
    expect(result.onlyInJournal).to.deep.equal({ count: 1, value: claimed.value });
    expect(result.differences[0]).to.deep.include({ kind: "only-in-journal", journal: { id: 3, state: "settled" } });
    expect(result.payees[0]?.drift).to.equal(-claimed.value);
    expect(result.drift).to.equal(3);
  });

  it("reads only the given blocks and payees", async () => {
    const [one, two] = [getAddress(freshAddress(2_504)), getAddress(freshAddress(2_505))];
    await settle(await lab.pay(3, one));
    const middle = await lab.client.getBlockNumber();
    await settle(await lab.pay(2, one));
    await settle(await lab.pay(4, two));
    const counts = async (terms: Parameters<typeof compare>[0]) => {
      const { matched, drift, payees } = await compare(terms);
      return [matched.count, drift, payees.map(({ address }) => address)];
    };
    expect(await counts({ payees: [one], toBlock: middle })).to.deep.equal([3, 0, [one]]);
    expect(await counts({ payees: [one], fromBlock: middle + 1n })).to.deep.equal([2, 0, [one]]);
    expect(await counts({ payees: [two] })).to.deep.equal([4, 0, [two]]);
  });

  it("tells payments that the journal has not concluded yet from drift", async () => {
    const payee = getAddress(freshAddress(2_506));
    const payments = await lab.pay(1, payee);
    await settle(payments);
    await journal.transition(
      [
        {
          paymentId: 1,
          from: ["settled"],
          to: "submitted",
          evidence: { kind: "reorg", blockNumber: 1n, blockHash: `0x${"00".repeat(32)}` },
        },
      ],
      Date.now(),
    );
    const result = await compare();
    expect(result).to.include({ drift: 0 });
    expect(result.undecided.count).to.equal(1);
  });
});

import { expect } from "chai";
import { type Address, keccak256, type LocalAccount, numberToHex, serializeTransaction, slice } from "viem";
import { compareWays, type TrafficProfile } from "../../../src/channels/compare.ts";
import { dataCostsOf } from "../../../src/channels/dataCosts.ts";
import { type DataFeeInputs, estimateDataSize } from "../../../src/fees/index.ts";
import { settlePayments } from "../../../src/settlement/index.ts";
import { until } from "../../helpers/engineLab.ts";
import { type KeeperLab, openKeeperLab } from "../../helpers/keeperLab.ts";

/** With these, a byte costs a million wei, so a fee is a size in millionths of a byte. */
const bytes: DataFeeInputs = { l1BaseFee: 0n, blobBaseFee: 10n ** 12n, baseFeeScalar: 0n, blobBaseFeeScalar: 1n };
const prices = { gasPriceWei: 5_000_000n, etherMicroUsd: 3_000_000_000n };
const traffic: TrafficProfile = { payers: 3, payees: 1, amount: 1_000n, paymentsPerPayer: 20, sessionHours: 1 };

describe("dataCostsOf", () => {
  let lab: KeeperLab;
  before(async () => {
    lab = await openKeeperLab();
    await lab.remember();
  });
  after(async () => {
    await lab.closeAll();
    await lab.stop();
  });

  /** An address without zero bytes. */
  const payee = (index: number): Address => slice(keccak256(numberToHex(index)), 12);

  /** Sizes in millionths of a byte of the transactions that an account sent since, as they were signed. */
  async function sentBy({ address }: Pick<LocalAccount, "address">, sinceBlock: bigint): Promise<bigint[]> {
    const sizes: bigint[] = [];
    for (let number = sinceBlock + 1n; number <= (await lab.client.getBlockNumber()); number += 1n) {
      const { transactions } = await lab.client.getBlock({ blockNumber: number, includeTransactions: true });
      for (const one of transactions) {
        if (one.from.toLowerCase() !== address.toLowerCase()) continue;
        const { r, s, yParity, type, chainId, nonce, to, input, gas, maxFeePerGas, maxPriorityFeePerGas } = one;
        if (type !== "eip1559" || r === undefined || s === undefined) throw new Error("not as ours are");
        const terms = { type, chainId, nonce, to, data: input, gas, maxFeePerGas, maxPriorityFeePerGas } as const;
        sizes.push(estimateDataSize(serializeTransaction(terms, { r, s, yParity })));
      }
    }
    return sizes;
  }

  /** Within a byte in 33 of what was sent. */
  function expectNear(modelled: bigint, sent: readonly bigint[], what: string): void {
    for (const size of sent) expect(Number(modelled) / Number(size), what).to.be.within(0.97, 1.03);
  }

  it("measures deposits, claims and sweeps as the official facilitator and the keeper send them", async () => {
    const journal = await lab.journal();
    const receiver = payee(1);
    const shop = await lab.shop(journal, receiver, lab.accountOf(17));
    const start = await lab.client.getBlockNumber();
    for (const index of [1, 2, 3]) {
      const buyer = lab.buyer(index);
      for (let i = 0; i < index; i += 1) expect((await buyer.buy(shop.url)).status).to.equal(200);
    }
    const deposits = await sentBy(lab.accountOf(18), start);
    expect(deposits).to.have.length(3);
    const costs = dataCostsOf(traffic, bytes);
    expectNear(costs.deposit(), deposits, "deposit");

    const keeper = await lab.keeper(journal, { authorizers: [lab.accountOf(17)] });
    await keeper.claim();
    const [claim, ...others] = await sentBy(lab.accountOf(19), start);
    expect(others).to.deep.equal([]);
    expectNear(costs.claim(3), [claim!], "claim");
    await keeper.sweep();
    await until(async () => (await lab.balanceOf(receiver)) === 6_000n);
    const [, sweep] = await sentBy(lab.accountOf(19), start);
    expectNear(costs.sweep(), [sweep!], "sweep");

    // Deposits of all that a payer pays, one claim of three rows, one sweep.
    const { channel } = compareWays(traffic, { ...prices, dataFee: bytes, maxDepositCostPermille: 0n });
    expect(channel.deposits).to.equal(1n);
    expect(channel.dataWei).to.equal(3n * costs.deposit() + costs.claim(3) + costs.sweep());
    const sent = [...deposits, claim!, sweep!].reduce((sum, size) => sum + size, 0n);
    expectNear(channel.dataWei, [sent], "all of it");
  });

  it("measures single payments and batches as the engine sends them", async () => {
    const pay = async (count: number, to: Address) => {
      const validAfter = BigInt(Math.floor(Date.now() / 1000)) - 600n;
      return Promise.all(
        Array.from({ length: count }, async (_, index) => {
          const terms = { to, value: traffic.amount, validAfter: validAfter + BigInt(index) };
          return { line: index + 1, authorization: await lab.chain.sign(lab.keyOf(1 + (index % 3)), terms) };
        }),
      );
    };
    const costs = dataCostsOf(traffic, bytes);
    for (const count of [1, 60]) {
      const start = await lab.client.getBlockNumber();
      const report = await settlePayments(lab.client, { payments: await pay(count, payee(2)), senders: [lab.account] });
      expect(report.results.every(({ outcome }) => outcome.status === "settled")).to.equal(true);
      const sent = await sentBy(lab.account, start);
      expect(sent).to.have.length(1);
      expectNear(costs.batch(count), sent, `${count} payments`);
    }
    const { exact, batch } = compareWays(traffic, { ...prices, dataFee: bytes });
    expect(exact.dataWei).to.equal(60n * costs.batch(1));
    expect(batch.dataWei).to.equal(costs.batch(60));
    expect(batch.totalWei).to.equal(batch.totalGas * prices.gasPriceWei + batch.dataWei);
  });

  it("costs nothing if data has no price", () => {
    const costs = dataCostsOf(traffic, undefined);
    expect([costs.batch(1), costs.batch(300), costs.deposit(), costs.claim(100), costs.sweep()]).to.deep.equal(
      Array.from({ length: 5 }, () => 0n),
    );
  });
});

import { expect } from "chai";
import fc from "fast-check";
import {
  type CompareOptions,
  compareWays,
  type TrafficProfile,
  TrafficProfileError,
} from "../../../src/channels/compare.ts";
import { dataCostsOf } from "../../../src/channels/dataCosts.ts";

/** 0.005 gwei and 3,000 USD: a gas costs 0.015 nano-dollars. */
const prices = { gasPriceWei: 5_000_000n, etherMicroUsd: 3_000_000_000n };
/** Base's scalars with a busy L1. */
const busy = {
  ...{ baseFeeScalar: 2_269n, blobBaseFeeScalar: 1_055_762n },
  ...{ l1BaseFee: 30_000_000_000n, blobBaseFee: 5_000_000_000n },
};
/** 10,000 payments of $0.0001 from one payer to one payee, within a day. */
const smallest: TrafficProfile = { payers: 1, payees: 1, amount: 100n, paymentsPerPayer: 10_000, sessionHours: 24 };

describe("compareWays", () => {
  it("prices a channel by its deposits, claims and sweeps", () => {
    const { channel, value, payments } = compareWays(smallest, { ...prices, maxDepositCostPermille: 3n });
    expect([payments, value]).to.deep.equal([10_000n, 1_000_000n]);
    // One deposit, a claim of one row, a sweep: 141,044 + 36,363 + 24,333 + 56,840.
    expect(channel).to.deep.equal({
      totalGas: 258_580n,
      dataWei: 0n,
      totalWei: 1_292_900_000_000n,
      totalNanoUsd: 3_878_700n,
      picoUsdPerPayment: 387_870n,
      shareOfValuePpm: 3_879n,
      multiplier: 10_000,
      deposits: 1n,
      deposit: 1_000_000n,
      claims: 1,
    });
  });

  it("carries 10,000 payments of $0.0001 for less than 1 % with the recommended deposit, and for three times their value with the client's default", () => {
    const { channel, usualChannels, recommended, reasons } = compareWays(smallest, prices);
    // Two deposits cost less than half a per cent: 141,044 + 120,068 gas.
    expect(channel).to.deep.include({ multiplier: 5_000, deposits: 2n, totalGas: 378_648n, shareOfValuePpm: 5_680n });
    // 2,000 deposits: 141,044 + 1,999 · 120,068, and claim and sweep.
    expect(usualChannels.client).to.deep.include({ multiplier: 5, deposits: 2_000n, totalGas: 240_274_512n });
    expect(usualChannels.client.shareOfValuePpm).to.equal(3_604_118n);
    expect(usualChannels.server).to.deep.include({ multiplier: 10, deposits: 1_000n, totalGas: 120_206_512n });
    expect(recommended).to.equal("channel");
    expect(reasons.map(({ kind }) => kind)).to.deep.equal([
      ...["too-dear", "too-dear", "affordable", "small-deposits", "small-deposits"],
    ]);
  });

  it("claims each channel and sweeps each receiver as often as it is told to", () => {
    const profile = { payers: 250, payees: 2, amount: 5_000n, paymentsPerPayer: 100, sessionHours: 72 };
    const { channel } = compareWays(profile, { ...prices, claimEveryHours: 24, sweepEveryHours: 36 });
    expect(channel).to.deep.include({ claims: 3, deposits: 1n });
    // Each payee: 125 rows are two transactions, three times; two sweeps.
    const claims = 3n * (4n * 36_363n + 250n * 24_333n);
    expect(channel.totalGas).to.equal(250n * 141_044n + claims + 4n * 56_840n);
  });

  it("prices single transactions and batches as the planner does", () => {
    const { exact, batch } = compareWays({ ...smallest, payers: 600, paymentsPerPayer: 1, amount: 1_000n }, prices);
    // Circle's USDC: 85,752 measured for one, 46,422 for each further one of a batch to one payee.
    expect(Number(exact.totalGas) / 600).to.be.closeTo(85_752, 300);
    expect(Number(batch.totalGas) / 600).to.be.closeTo(46_566, 300);
    const alone = compareWays(smallest, { ...prices, paymentsPerBatch: 1 });
    expect(alone.batch).to.deep.equal(alone.exact);
  });

  it("recommends the simplest way that is cheap enough", () => {
    const recommend = (amount: bigint, paymentsPerPayer: number, change: Partial<CompareOptions> = {}) =>
      compareWays({ payers: 1_000, payees: 1, amount, paymentsPerPayer, sessionHours: 1 }, { ...prices, ...change });
    // A transaction costs 0.0013 dollars, a payment in a batch 0.0007.
    expect(recommend(200_000n, 1_000).recommended).to.equal("exact");
    expect(recommend(100_000n, 1_000).recommended).to.equal("batch");
    expect(recommend(10_000n, 1_000).recommended).to.equal("channel");
    // Nothing is cheap enough for a single small payment: the batch is cheapest, and costs more than it moves.
    const single = recommend(100n, 1);
    expect(single.recommended).to.equal("batch");
    expect(single.reasons.map(({ kind }) => kind)).to.deep.equal([
      ...["too-dear", "cheapest", "few-payments", "costs-more-than-it-moves"],
    ]);
    expect(recommend(10_000n, 1_000, { maxCostPermille: 1_000n }).recommended).to.equal("exact");
  });

  it("says from how many payments a channel is cheaper", () => {
    const { breakEven } = compareWays({ ...smallest, paymentsPerPayer: 1_000 }, prices);
    for (const [way, least] of [
      ["exact", breakEven.withExact],
      ["batch", breakEven.withBatch],
    ] as const) {
      for (const [count, isCheaper] of [
        [least - 1n, false],
        [least, true],
      ] as const) {
        const at = compareWays(
          { ...smallest, paymentsPerPayer: Number(count) },
          { ...prices, maxDepositCostPermille: 0n },
        );
        // A batch of so few payments costs more for each one, so compare with a full batch.
        const other = compareWays({ ...smallest, paymentsPerPayer: 1_000 }, prices)[way];
        const each = Number(other.totalGas) / 1_000;
        expect(Number(at.channel.totalGas) < each * Number(count), `${way} at ${count}`).to.equal(isCheaper);
      }
    }
  });

  it("counts what data costs in the total, the break-even, the smallest payment and the deposit", () => {
    const profile = { ...smallest, paymentsPerPayer: 1_000, amount: 10_000n };
    const [free, dear] = [undefined, busy].map((dataFee) => compareWays(profile, { ...prices, dataFee }));
    const data = dataCostsOf(profile, busy);
    for (const way of ["exact", "batch", "channel"] as const) {
      const { totalGas, dataWei, totalWei, totalNanoUsd } = dear![way];
      expect(totalWei).to.equal(totalGas * prices.gasPriceWei + dataWei);
      expect(Number(totalNanoUsd)).to.be.closeTo(Number((totalWei * 3n) / 10n ** 6n), 1);
      expect(dear!.smallestAmount[way] > free!.smallestAmount[way]).to.equal(true);
    }
    expect(dear!.exact.dataWei).to.equal(1_000n * data.batch(1));
    expect(dear!.batch.dataWei).to.equal(3n * data.batch(300) + data.batch(100));
    const { deposits, dataWei } = dear!.channel;
    expect(dataWei).to.equal(deposits * data.deposit() + data.claim(1) + data.sweep());
    // A deposit, a claim and a sweep for what single transactions cost each.
    const one = 258_580n * prices.gasPriceWei + data.deposit() + data.claim(1) + data.sweep();
    expect(dear!.breakEven.withExact).to.equal(one / (dear!.exact.totalWei / 1_000n) + 1n);
    // Deposits cost more, so there are fewer of them.
    const depositing = (result: typeof dear) => result!.channel.multiplier;
    const small = [undefined, busy].map((dataFee) => compareWays(smallest, { ...prices, dataFee }));
    expect(depositing(small[1]) > depositing(small[0])).to.equal(true);
  });

  it("refuses a profile that is not traffic", () => {
    const bad: readonly Partial<TrafficProfile>[] = [
      { payers: 0 },
      { payees: 1.5 },
      { amount: 0n },
      { paymentsPerPayer: -1 },
      { sessionHours: Number.POSITIVE_INFINITY },
    ];
    for (const change of bad) {
      expect(() => compareWays({ ...smallest, ...change }, prices)).to.throw(
        TrafficProfileError,
        Object.keys(change)[0],
      );
    }
    expect(() => compareWays(smallest, { ...prices, paymentsPerBatch: 301 })).to.throw(TrafficProfileError);
  });

  const traffic = fc.record({
    payers: fc.integer({ min: 1, max: 2_000 }),
    payees: fc.integer({ min: 1, max: 50 }),
    amount: fc.bigInt(1n, 10n ** 8n),
    paymentsPerPayer: fc.integer({ min: 1, max: 100_000 }),
    sessionHours: fc.integer({ min: 0, max: 2_000 }),
  });

  it("never recommends a way if a simpler one is cheap enough, nor an expensive one if there is a cheaper one", () => {
    fc.assert(
      fc.property(traffic, fc.constantFrom(undefined, busy), (profile, dataFee) => {
        const result = compareWays(profile, { ...prices, dataFee });
        const order = ["exact", "batch", "channel"] as const;
        const limit = 10_000n;
        const affordable = order.filter((way) => result[way].shareOfValuePpm <= limit);
        if (affordable.length > 0) expect(result.recommended).to.equal(affordable[0]);
        else
          for (const way of order) expect(result[way].totalWei >= result[result.recommended].totalWei).to.equal(true);
      }),
      { numRuns: 60 },
    );
  });

  it("recommends a deposit that costs no more than the usual ones and covers no more than the session, within the deposits' part of the cost", () => {
    fc.assert(
      fc.property(traffic, (profile) => {
        const { channel, usualChannels } = compareWays(profile, prices);
        expect(channel.multiplier).to.be.at.most(profile.paymentsPerPayer);
        expect(channel.totalGas <= usualChannels.client.totalGas).to.equal(true);
        expect(channel.totalGas <= usualChannels.server.totalGas).to.equal(true);
        if (channel.deposits === 1n) return;
        const gas = 141_044n + (channel.deposits - 1n) * 120_068n;
        const value = BigInt(profile.paymentsPerPayer) * profile.amount;
        // gas · 0.015 nano-dollars ≤ 0.5 % of the value
        expect(gas * 15n <= (value * 1_000_000n) / 200n).to.equal(true);
      }),
      { numRuns: 60 },
    );
  });

  it("costs in proportion to the price of gas, and nothing if that is zero", () => {
    const free = compareWays(smallest, { ...prices, gasPriceWei: 0n });
    expect(free.recommended).to.equal("exact");
    expect(free.exact.totalNanoUsd).to.equal(0n);
    const [one, ten] = [1n, 10n].map((factor) =>
      compareWays(smallest, { ...prices, gasPriceWei: 5_000_000n * factor }),
    );
    expect(ten!.exact.totalNanoUsd).to.equal(10n * one!.exact.totalNanoUsd);
  });
});

import { expect } from "chai";
import { getAddress, type Hex, keccak256, numberToHex } from "viem";
import { type ChannelEvidence, checkChannels } from "../../demo/channels/checks.ts";
import { modelOtherWays, planLongChannel } from "../../demo/channels/model.ts";
import { formatChannelSale } from "../../demo/channels/report.ts";

const address = (seed: number) => getAddress(numberToHex(seed, { size: 20 }));
const id = (seed: number): Hex => keccak256(numberToHex(seed));

describe("the checks of demo --channels", () => {
  const [alice, bob] = [address(1), address(2)];
  const [payee, contract, facilitator, keeper] = [address(3), address(4), address(5), address(6)];
  // Alice buys twice and Bob once, at 100 each, from deposits of 1,000.
  const purchases = (
    [
      [alice, 0, 100n, true],
      [bob, 1, 100n, true],
      [alice, 0, 200n, false],
    ] as const
  ).map(([buyer, channel, maxClaimable, hasDeposit]) => ({
    buyer,
    latencyMs: 10,
    status: 200,
    nonce: undefined,
    voucher: { channelId: id(channel), maxClaimable, hasDeposit },
    receipt: { success: true, transaction: "" },
    problem: undefined,
  }));
  const channels = [
    { channelId: id(0), payer: alice, charged: 200n, signed: 200n, deposited: 1_000n, claimed: 200n },
    { channelId: id(1), payer: bob, charged: 100n, signed: 100n, deposited: 1_000n, claimed: 100n },
  ];
  const sent = { transactions: 1, gasUsed: 100_000n };
  const ledger = { channels, deposits: 2, unswept: 0n, sent: { facilitator: sent, keeper: sent } };
  const good: ChannelEvidence = {
    price: 100n,
    requests: 3,
    purchases,
    ledger,
    before: new Map([
      [alice, 5_000n],
      [bob, 5_000n],
      [payee, 7n],
      [contract, 0n],
      [facilitator, 0n],
      [keeper, 0n],
    ]),
    after: new Map([
      [alice, 4_000n],
      [bob, 4_000n],
      [payee, 307n],
      [contract, 1_700n],
      [facilitator, 0n],
      [keeper, 0n],
    ]),
    payee,
    contract,
    passive: [facilitator, keeper],
    swept: 300n,
    unclaimed: 0n,
  };
  const failed = (change: Partial<ChannelEvidence>) =>
    checkChannels({ ...good, ...change }).flatMap(({ name, holds }) => (holds ? [] : [name]));
  const holding = (owner: Hex, amount: bigint) => ({ after: new Map([...good.after, [getAddress(owner), amount]]) });
  const bought = (change: object) => ({
    purchases: purchases.map((one, i) => (i === 2 ? { ...one, ...change } : one)),
  });
  const channel = (change: object) => ({
    ledger: { ...ledger, channels: channels.map((one, i) => (i === 1 ? { ...one, ...change } : one)) },
  });

  const SERVED = "every call was served";
  const VOUCHERS = "every answer was paid by its own voucher";
  const CHARGED = "the server charged every channel for what its buyer got, and keeps a voucher for exactly that";
  const DEPOSITS = "every buyer's balance fell by its deposits, to the unit";
  const MONEY = "deposits minus what is refundable were claimed, swept and paid to the payee, to the unit";
  const CONTRACT = "the contract holds what is refundable, and nothing else";
  const KEPT = "the facilitator and the keeper kept nothing";
  const JOURNAL = "the server's journal has nothing left to claim";
  const cases: readonly (readonly [string, Partial<ChannelEvidence>, string[]])[] = [
    ["all adds up", {}, []],
    ["a call was not made", { requests: 4 }, [SERVED]],
    ["a call was paid and nothing sold for it", bought({ status: 402, problem: "402" }), [SERVED, CHARGED, MONEY]],
    ["an answer was given for nothing", bought({ voucher: undefined }), [VOUCHERS]],
    ["two answers were given for one voucher", bought({ voucher: purchases[0]?.voucher }), [VOUCHERS, DEPOSITS]],
    ["the server charged one unit more", channel({ charged: 101n }), [CHARGED]],
    ["a voucher allows more than was charged", channel({ signed: 101n }), [CHARGED]],
    ["a buyer lacks one unit", holding(alice, 3_999n), [DEPOSITS]],
    ["a deposit was made that no answer reports", { ledger: { ...ledger, deposits: 3 } }, [DEPOSITS]],
    ["one unit is not claimed", channel({ claimed: 99n }), [MONEY, CONTRACT]],
    ["one unit is not swept", { swept: 299n }, [MONEY]],
    ["one unit waits to be swept", { ledger: { ...ledger, unswept: 1n } }, [MONEY]],
    ["the payee lacks one unit", holding(payee, 306n), [MONEY]],
    ["the contract lacks one unit", holding(contract, 1_699n), [CONTRACT]],
    ["the keeper kept something", holding(keeper, 1n), [KEPT]],
    ["the journal has something unclaimed", { unclaimed: 1n }, [JOURNAL]],
  ];
  for (const [what, change, names] of cases) {
    it(`${names.length === 0 ? "is content where" : "says so where"} ${what}`, () => {
      expect(failed(change)).to.deep.equal(names);
    });
  }
});

describe("the model of demo --channels", () => {
  it("asks for the deposit that the documents recommend", () => {
    const { deposit, multiplier, shareOfValuePpm } = planLongChannel(100n);
    expect([deposit, multiplier]).to.deep.equal([500_000n, 5_000]);
    expect(Number(shareOfValuePpm.recommended)).to.be.within(5_600, 5_800);
    expect(shareOfValuePpm.client > shareOfValuePpm.server).to.equal(true);
  });

  it("gives the gas of exactly the payments that were made, if buyers do not buy equally often", () => {
    const [uneven, even] = [7, 8].map((payments) => modelOtherWays({ buyers: 4, payments, price: 100n }));
    expect(uneven?.oneByOne).to.deep.include({ transactions: 7, settled: 7 });
    expect((uneven?.oneByOne.gasUsed ?? 0n) / 7n).to.equal((even?.oneByOne.gasUsed ?? 0n) / 8n);
    expect(modelOtherWays({ buyers: 4, payments: 0, price: 100n })).to.equal(undefined);
  });
});

describe("formatChannelSale", () => {
  it("says what is measured and what is modelled, also for a sale in which nothing was served", () => {
    const demo = {
      ...{ buyers: 2, requests: 4, price: 100n, served: 4, vouchers: 4, channels: 2 },
      deposits: { count: 2, announced: 500_000n, total: 1_000_000n },
      ...{ claimed: 400n, swept: 400n, paid: 400n, refundable: 999_600n },
      transactions: { deposits: 1, claimsAndSweeps: 2 },
      tributary: { transactions: 3, gasUsed: 400_000n, settled: 4 },
      modelled: modelOtherWays({ buyers: 2, payments: 4, price: 100n }),
      gasPerPayment: { tributary: 100_000n },
      shareOfValuePpm: 15_000_000n,
      longChannel: planLongChannel(100n),
      latencyMs: { p50: 30.4, p95: 42, deposit: { p50: 1_900, max: 2_000 } },
      saleSeconds: 2,
      checks: [],
    };
    const text = formatChannelSale(demo, 3).join("\n");
    expect(text).to.match(/^ +channels \(measured\) +3 +400,000 +100,000 /m);
    expect(text).to.match(/^ +one by one \(by the model\) +4 /m);
    expect(text).to.match(/^ +as the shop asks for here +5,000 +0\.57 %$/m);
    expect(text).to.include("p50 30 ms, p95 42 ms").and.include("1500 % of the payments'");

    const none = {
      ...demo,
      ...{ served: 0, modelled: undefined, shareOfValuePpm: undefined, gasPerPayment: { tributary: undefined } },
      tributary: { transactions: 0, gasUsed: 0n, settled: 0 },
      latencyMs: { p50: undefined, p95: undefined, deposit: { p50: undefined, max: undefined } },
    };
    expect(formatChannelSale(none, 3).join("\n")).to.include("p50 –").and.not.include("by the model");
  });
});

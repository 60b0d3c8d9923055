import { expect } from "chai";
import { getAddress, type Hex, keccak256, numberToHex } from "viem";
import { checkSale, type SaleEvidence } from "../../demo/sale/checks.ts";
import { percentile } from "../../demo/sale/report.ts";
import { describeMessage } from "../../demo/sale/wire.ts";

describe("checkSale", () => {
  const account = (index: number) => getAddress(numberToHex(0xa000 + index, { size: 20 }));
  const [payee, router, sender] = [account(1), account(2), account(3)];
  const buyers = [account(11), account(12)] as const;
  const nonce = (index: number) => keccak256(numberToHex(index));
  const hash: Hex = `0x${"11".repeat(32)}`;
  /** Two buyers, of whom the first bought twice for 1,000. */
  const purchases = [0, 1, 0].map((buyer, index) => ({
    buyer: buyers[buyer]!,
    latencyMs: 5,
    status: 200,
    nonce: nonce(index),
    receipt: { success: true, transaction: hash },
    voucher: undefined,
    problem: undefined,
  }));
  const uses = new Map(purchases.map(({ buyer, nonce: used }) => [`${buyer}:${used}`.toLowerCase(), hash] as const));
  const good: SaleEvidence = {
    price: 1_000n,
    requests: 3,
    purchases,
    settled: { transactions: 1, gasUsed: 150_000n, uses },
    before: new Map([...buyers.map((buyer) => [buyer, 9_000n] as const), [payee, 5n], [router, 0n], [sender, 0n]]),
    after: new Map([
      [buyers[0], 7_000n],
      [buyers[1], 8_000n],
      [payee, 3_005n],
      [router, 0n],
      [sender, 0n],
    ]),
    payee,
    passive: [router, sender],
    journal: { settled: 3 },
    oneByOne: { transactions: 3, gasUsed: 240_000n, settled: 3 },
  };
  const failed = (change: Partial<SaleEvidence>) =>
    checkSale({ ...good, ...change }).flatMap(({ name, holds }) => (holds ? [] : [name]));
  const holding = (owner: Hex, amount: bigint) => ({ after: new Map([...good.after, [getAddress(owner), amount]]) });
  const replaced = (change: object) => ({
    purchases: purchases.map((one, i) => (i === 2 ? { ...one, ...change } : one)),
  });

  const SERVED = "every request was served";
  const PROVED = "every answer was paid by its own authorization, in the transaction that its receipt names";
  const BUYERS = "every buyer paid for what they got, to the unit";
  const PAYEE = "the payee has all of it, to the unit";
  const KEPT = "the router and the facilitator kept nothing";
  const JOURNAL = "the facilitator's journal says the same";
  const cases: readonly (readonly [string, Partial<SaleEvidence>, string[]])[] = [
    ["all adds up", {}, []],
    ["a buyer paid one unit more", holding(buyers[1], 7_999n), [BUYERS]],
    ["a buyer got an answer for nothing", holding(buyers[0], 8_000n), [BUYERS]],
    ["the payee lacks one unit", holding(payee, 3_004n), [PAYEE]],
    ["the router kept something", holding(router, 1n), [KEPT]],
    ["a request was not made", { requests: 4 }, [SERVED]],
    ["an answer has no receipt", replaced({ receipt: undefined }), [PROVED]],
    ["a receipt names another transaction", replaced({ receipt: { success: true, transaction: "0x22" } }), [PROVED]],
    ["two answers were given for one authorization", replaced({ nonce: nonce(0) }), [PROVED]],
    [
      "a payment was taken and nothing sold for it",
      replaced({ status: 402, problem: "402" }),
      [SERVED, PROVED, BUYERS, PAYEE, JOURNAL],
    ],
    ["the journal has another payment", { journal: { settled: 3, queued: 1 } }, [JOURNAL]],
    [
      "one by one settled fewer",
      { oneByOne: { transactions: 3, gasUsed: 240_000n, settled: 2 } },
      ["one by one settles the same payments"],
    ],
  ];
  for (const [what, change, names] of cases) {
    it(`${names.length === 0 ? "is content where" : "says so where"} ${what}`, () => {
      expect(failed(change)).to.deep.equal(names);
    });
  }
});

describe("percentile", () => {
  it("is the nearest rank", () => {
    const sorted = Array.from({ length: 20 }, (_, i) => i + 1);
    expect([50, 95, 100].map((share) => percentile(sorted, share))).to.deep.equal([10, 19, 20]);
    expect([percentile([7], 50), percentile([7], 95), percentile([], 50)]).to.deep.equal([7, 7, undefined]);
  });
});

describe("describeMessage", () => {
  it("names nested fields by their path and shows at most 32 bytes of each", () => {
    const message = {
      a: { b: 1n, none: undefined },
      list: ["x"],
      nonce: `0x${"ab".repeat(32)}`,
      raw: `0x${"cd".repeat(33)}`,
    };
    expect(describeMessage(message)).to.deep.equal([
      ["a.b", "1"],
      ["list.0", "x"],
      ["nonce", `0x${"ab".repeat(32)}`],
      ["raw", "0xcdcdcdcdcd… (33 bytes)"],
    ]);
  });
});

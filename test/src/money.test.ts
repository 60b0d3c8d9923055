import { expect } from "chai";
import { formatUnits as ethersFormat, parseUnits as ethersParse } from "ethers";
import fc from "fast-check";
import { maxUint256 } from "viem";
import { AmountError, formatAmount, formatEtherBriefly, parseAmount, parseAtomic } from "../../src/money.ts";

const hostile = "9".repeat(1_000_000);

describe("parseAmount", () => {
  const good: [string, number, bigint][] = [
    ["0.001", 6, 1000n],
    ["1", 6, 1_000_000n],
    ["1.", 6, 1_000_000n],
    [".5", 6, 500_000n],
    ["0", 6, 0n],
    ["000.000001", 6, 1n],
    ["7", 0, 7n],
    ["115792089237316195423570985008687907853269984665640564039457.584007913129639935", 18, maxUint256],
  ];
  for (const [text, decimals, atomic] of good) {
    it(`reads ${text} with ${decimals} decimals`, () => {
      expect(parseAmount(text, decimals)).to.equal(atomic);
    });
  }

  const bad: [string, string][] = [
    ["-1", 'The amount "-1" is negative.'],
    ["-0.5", 'The amount "-0.5" is negative.'],
    ["1e3", 'The amount "1e3" has an exponent.'],
    ["1.5E-3", 'The amount "1.5E-3" has an exponent.'],
    ["0x10", 'The amount "0x10" is hexadecimal.'],
    ["", 'The amount "" is not in decimal digits.'],
    [".", 'The amount "." is not in decimal digits.'],
    ["1,000", 'The amount "1,000" is not in decimal digits.'],
    [" 1", 'The amount " 1" is not in decimal digits.'],
    ["1\n", 'The amount "1\\n" is not in decimal digits.'],
    ["1.2.3", 'The amount "1.2.3" is not in decimal digits.'],
    ["٣", 'The amount "٣" is not in decimal digits.'],
    ["0.0000001", 'The amount "0.0000001" has 7 decimals; the token has 6.'],
    [hostile, "The amount is above 2^256 − 1."],
  ];
  for (const [text, problem] of bad) {
    it(`refuses ${JSON.stringify(text.slice(0, 20))}`, () => {
      expect(() => parseAmount(text, 6))
        .to.throw(AmountError)
        .with.property("shortMessage", problem);
    });
  }

  it("refuses one atomic unit above 2^256 − 1", () => {
    const text = formatAmount(maxUint256 + 1n, 6);
    expect(() => parseAmount(text, 6)).to.throw(AmountError, "above 2^256 − 1");
  });
});

describe("formatAmount", () => {
  it("writes no trailing zeros and no bare point", () => {
    expect(formatAmount(1000n, 6)).to.equal("0.001");
    expect(formatAmount(0n, 6)).to.equal("0");
    expect(formatAmount(2_000_000n, 6)).to.equal("2");
    expect(formatAmount(-1n, 6)).to.equal("-0.000001");
    expect(formatAmount(70n, 0)).to.equal("70");
  });

  it("is read back by parseAmount, and by ethers, for every amount", () => {
    fc.assert(
      fc.property(fc.bigInt(0n, maxUint256), fc.integer({ min: 0, max: 18 }), (atomic, decimals) => {
        const text = formatAmount(atomic, decimals);
        expect(parseAmount(text, decimals)).to.equal(atomic);
        expect(ethersParse(text, decimals)).to.equal(atomic);
        expect(parseAmount(decimals === 0 ? text : ethersFormat(atomic, decimals), decimals)).to.equal(atomic);
      }),
    );
  });
});

describe("parseAtomic", () => {
  it("reads decimal strings, bigints and exact numbers", () => {
    expect(parseAtomic("1000")).to.equal(1000n);
    expect(parseAtomic("0001")).to.equal(1n);
    expect(parseAtomic(0)).to.equal(0n);
    expect(parseAtomic(Number.MAX_SAFE_INTEGER)).to.equal(9007199254740991n);
    expect(parseAtomic(maxUint256)).to.equal(maxUint256);
    expect(parseAtomic(maxUint256.toString())).to.equal(maxUint256);
  });

  const bad: [unknown, string][] = [
    [-1, 'The number "-1" is negative.'],
    [-1n, 'The number "-1" is negative.'],
    ["-1", 'The number "-1" is negative.'],
    [1.5, 'The number "1.5" is a fraction.'],
    ["1.0", 'The number "1.0" is a fraction.'],
    ["1e3", 'The number "1e3" has an exponent.'],
    [1e-7, 'The number "1e-7" has an exponent.'],
    ["0x3e8", 'The number "0x3e8" is hexadecimal.'],
    ["", 'The number "" is not in decimal digits.'],
    [Number.NaN, 'The number "NaN" is not in decimal digits.'],
    [Number.POSITIVE_INFINITY, 'The number "Infinity" is not in decimal digits.'],
    [2 ** 53, "The number is above 2^53 − 1, where a JSON number loses digits."],
    [maxUint256 + 1n, "The number is above 2^256 − 1."],
    [(maxUint256 + 1n).toString(), "The number is above 2^256 − 1."],
    [hostile, "The number is above 2^256 − 1."],
    [null, "Expected a whole number, got null."],
    [undefined, "Expected a whole number, got undefined."],
    [true, "Expected a whole number, got boolean."],
    [[1], "Expected a whole number, got object."],
  ];
  for (const [input, problem] of bad) {
    it(`refuses ${String(input).slice(0, 20)} (${typeof input})`, () => {
      expect(() => parseAtomic(input))
        .to.throw(AmountError)
        .with.property("shortMessage", problem);
    });
  }
});

describe("formatEtherBriefly", () => {
  const cases: [wei: bigint, down: string, up: string][] = [
    [0n, "0", "0"],
    [1n, "0.000000000000000001", "0.000000000000000001"],
    [12_345n, "0.00000000000001234", "0.00000000000001235"],
    [123_456_789_000_000n, "0.0001234", "0.0001235"],
    [999_999_999_999_999_999n, "0.9999", "1"],
    [10n ** 18n, "1", "1"],
    [1_000_050_000_000_000_001n, "1", "1.0001"],
    [9_999_123_456_789_012_345_678n, "9999.1234", "9999.1235"],
  ];
  for (const [wei, down, up] of cases) {
    it(`writes ${wei} wei as ${down}, rounded up as ${up}`, () => {
      expect(formatEtherBriefly(wei, "down")).to.equal(down);
      expect(formatEtherBriefly(wei, "up")).to.equal(up);
    });
  }

  it("never shows as zero what is not, and is off by less than a thousandth", () => {
    fc.assert(
      fc.property(fc.bigInt(1n, 10n ** 30n), (wei) => {
        const [down, up] = (["down", "up"] as const).map((how) => parseAmount(formatEtherBriefly(wei, how), 18));
        expect(down !== 0n && down! <= wei && wei <= up!).to.equal(true);
        expect((up! - down!) * 1_000n <= wei).to.equal(true);
      }),
    );
  });
});

import { readFileSync } from "node:fs";
import { expect } from "chai";
import { claimGas, depositGas, MOCK_CHANNEL_GAS } from "../../../src/gas/index.ts";

/** The figures that test/gas measures on the doubles, at every run. */
const measured: Record<string, Record<string, number>> = JSON.parse(
  readFileSync(new URL("../../gas/channels.json", import.meta.url), "utf8"),
);

describe("channel gas model", () => {
  const alone = measured["one transaction each"] ?? {};

  it("is what the doubles use, to a thousandth", () => {
    const { depositGas: first, topUpGas, sweepGas } = MOCK_CHANNEL_GAS;
    for (const [model, figure] of [
      [first, alone.firstDeposit],
      [topUpGas, alone.topUp],
      [sweepGas, alone.sweep],
    ] as const) {
      expect(model).to.be.closeTo(figure ?? Number.NaN, model / 1_000);
    }
  });

  it("predicts a claim of 1 to 100 rows to a fiftieth", () => {
    for (const rows of [1, 10, 100]) {
      const gas = (measured.claimWithSignature?.[`gasPerClaimOf${rows}`] ?? Number.NaN) * rows;
      expect(Number(claimGas(MOCK_CHANNEL_GAS, rows))).to.be.closeTo(gas, gas / 50);
    }
  });

  it("adds deposits up", () => {
    expect(depositGas(MOCK_CHANNEL_GAS, 0n)).to.equal(0n);
    expect(depositGas(MOCK_CHANNEL_GAS, 1n)).to.equal(133_480n);
    expect(depositGas(MOCK_CHANNEL_GAS, 3n)).to.equal(133_480n + 2n * 112_991n);
  });
});

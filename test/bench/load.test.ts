import { expect } from "chai";
import { partOfBlock } from "../../bench/lib/facilitatorLoads.ts";
import { percentile, type Sample, successesOf } from "../../bench/lib/load.ts";

describe("samples", () => {
  const sample = (ms: number, success = true): Sample => ({ ms, success, reason: undefined });

  it("have a percentile of those that succeeded alone", () => {
    const samples = [sample(3), sample(1, false), sample(2_000), sample(1_000)];
    expect(percentile(samples, 0.5)).to.equal(1_000);
    expect(percentile(successesOf(samples), 0)).to.equal(3);
  });

  it("have no percentile if there are none", () => {
    expect(percentile([], 0.5)).to.deep.equal(Number.NaN);
  });
});

describe("lone payments", () => {
  it("come once in each twentieth of the time between blocks, in a mixed order", () => {
    const parts = Array.from({ length: 20 }, (_, i) => partOfBlock(i));
    expect(parts.slice(0, 4)).to.deep.equal([0.025, 0.375, 0.725, 0.075]);
    expect(parts.map((part) => Math.floor(part * 20)).sort((a, b) => a - b)).to.deep.equal([...parts.keys()]);
  });
});

import { expect } from "chai";
import { createEstimate } from "../../../../src/cli/output/timeLeft.ts";

describe("createEstimate", () => {
  function estimateOf(total: number) {
    let now = 0;
    const estimate = createEstimate(total, () => now);
    return (atSeconds: number, done: number): number | undefined => {
      now = atSeconds * 1000;
      return estimate(done);
    };
  }

  it("gives no estimate until there was progress for some seconds, however late that starts", () => {
    const at = estimateOf(10_000);
    expect([at(0, 0), at(60, 0), at(60.2, 300), at(62, 600), at(64, 900), at(65.1, 900)]).to.deep.equal(
      Array.from({ length: 6 }, () => undefined),
    );
    expect(at(65.2, 1_050)).to.be.closeTo(8_950 / 150, 0.001);
  });

  it("does not count what was done at first as its speed", () => {
    const at = estimateOf(10_000);
    at(0, 5_000);
    at(3, 5_300);
    expect(at(6, 5_600)).to.equal(44);
  });

  it("follows how fast it goes now", () => {
    const at = estimateOf(100_000);
    for (let second = 0; second <= 100; second++) at(second, second * 1_000 - (second > 50 ? (second - 50) * 900 : 0));
    // 55,000 are done, 100 a second.
    expect(at(100, 55_000)).to.equal(450);
  });

  it("gives no estimate while nothing happens, nor at the end", () => {
    const at = estimateOf(1_000);
    for (let second = 0; second <= 10; second++) at(second, second * 10);
    expect(at(11, 110)).to.be.closeTo(89, 1);
    expect(at(60, 110)).to.equal(undefined);
    for (let second = 61; second <= 70; second++) at(second, second * 10);
    expect(at(71, 1_000)).to.equal(undefined);
  });
});

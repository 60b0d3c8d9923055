import { expect } from "chai";
import { assumeRate, rateOf } from "../../../../src/facilitator/admission/machine.ts";

describe("rateOf", () => {
  it("goes by the time of a recovery, within its bounds", () => {
    expect(rateOf(0.3)).to.be.closeTo(147, 0.1);
    expect(rateOf(0.6)).to.be.closeTo(73.5, 0.1);
    expect([rateOf(0.0001), rateOf(1_000)]).to.deep.equal([200, 5]);
  });
});

describe("assumeRate", () => {
  it("takes the median, so that one pause of the machine changes nothing", async () => {
    // Read before and after each recovery: each takes 0.3 ms except the third, in which the machine pauses.
    let reads = 0;
    let nowMs = 0;
    const now = (): number => {
      reads += 1;
      if (reads % 2 === 0) nowMs += reads === 6 ? 5_000 : 0.3;
      return nowMs;
    };
    expect(await assumeRate(now)).to.be.closeTo(rateOf(0.3), 0.1);
  });
});

import { expect } from "chai";
import fc from "fast-check";
import { createShares, fairPart } from "../../../../src/facilitator/admission/shares.ts";
import { at, merchant } from "../../../helpers/simulatedMachine.ts";

describe("fairPart", () => {
  it("is all that others leave, and at least an equal part", () => {
    expect(fairPart(100, [])).to.equal(100);
    expect(fairPart(100, [10])).to.equal(90);
    expect(fairPart(100, [Number.POSITIVE_INFINITY])).to.equal(50);
    expect(fairPart(100, [10, Number.POSITIVE_INFINITY])).to.equal(45);
    expect(fairPart(100, [10, 30, 60])).to.equal(30);
    const demands = fc.array(fc.oneof(fc.nat(200), fc.constant(Number.POSITIVE_INFINITY)), { maxLength: 20 });
    fc.assert(
      fc.property(fc.nat(1_000), demands, (places, others) => {
        const part = fairPart(places, others);
        expect(part).to.be.within(places / (others.length + 1) - 1e-9, places);
        // Nobody gets more than this party, and together they have all the places.
        const rest = others.reduce((sum, demand) => sum + Math.min(demand, part), 0);
        expect(part + rest).to.be.at.least(places - 1e-6);
        if (part < places) expect(part + rest).to.be.closeTo(places, 1e-6);
      }),
    );
  });
});

describe("createShares", () => {
  it("remembers for two seconds who was refused, and forgets who has nothing and wants nothing", () => {
    let nowMs = 0;
    const shares = createShares(() => nowMs);
    const leave = Array.from({ length: 60 }, () => shares.enter(merchant("a")));
    expect(shares.hasShare(merchant("a"), 100)).to.equal(false);
    shares.refused(merchant("b"));
    expect(shares.hasShare(merchant("a"), 100)).to.equal(true);
    expect(shares.hasShare(merchant("b"), 100)).to.equal(false);
    nowMs = 2_000;
    expect(shares.hasShare(merchant("a"), 100)).to.equal(false);
    for (const one of leave) one();
    expect(shares.hasShare(merchant("a"), 0)).to.equal(false);
  });

  it("divides the part of those without a key by their addresses", () => {
    const shares = createShares(() => 0);
    for (let i = 0; i < 40; i += 1) shares.enter(at("1"));
    shares.enter(at("2"));
    expect(shares.hasShare(at("1"), 100)).to.equal(false);
    shares.refused(merchant("a"));
    // Half is the merchant's; of the other half one is taken.
    expect(shares.hasShare(at("1"), 100)).to.equal(false);
    shares.refused(at("2"));
    expect(shares.hasShare(at("1"), 100)).to.equal(true);
    expect(shares.hasShare(at("2"), 100)).to.equal(false);
  });
});

import { expect } from "chai";
import { createLimiter } from "../../../../src/facilitator/callers/limit.ts";

describe("createLimiter", () => {
  let nowMs = 0;
  const clock = { now: () => nowMs, sleep: async () => undefined };

  it("lets a burst pass, then says how long to wait, and refills to the millisecond", () => {
    nowMs = 0;
    const limit = createLimiter({ perSecond: 2, burst: 3 }, clock);
    expect([limit("a"), limit("a"), limit("a"), limit("a")]).to.deep.equal([undefined, undefined, undefined, 1]);
    expect(limit("b")).to.equal(undefined);
    nowMs = 499;
    expect(limit("a")).to.equal(1);
    nowMs = 500;
    expect(limit("a")).to.equal(undefined);
    nowMs = 1_000_000;
    expect([limit("a"), limit("a"), limit("a"), limit("a")]).to.deep.equal([undefined, undefined, undefined, 1]);
  });

  it("lets everything pass without a limit", () => {
    const limit = createLimiter(undefined, clock);
    expect(Array.from({ length: 1_000 }, () => limit("a")).every((wait) => wait === undefined)).to.equal(true);
  });
});

import { expect } from "chai";
import { createRoundPace } from "../../../../src/settlement/sending/roundPace.ts";

describe("createRoundPace", () => {
  it("supposes that a payment adds something before it has seen a round", () => {
    const pace = createRoundPace();
    expect(pace.addedMs(1)).to.equal(0);
    expect(pace.addedMs(201)).to.be.within(100, 400);
  });

  for (const eachMs of [0.1, 0.4, 2]) {
    it(`learns that a payment adds ${eachMs} ms from rounds of different sizes`, () => {
      const pace = createRoundPace();
      for (let i = 0; i < 20; i += 1) for (const count of [1, 100, 250]) pace.note(count, 60 + eachMs * count);
      expect(pace.addedMs(101)).to.be.closeTo(100 * eachMs, 15 * eachMs + 1);
    });
  }

  it("keeps what it knows while all rounds are about as large, whatever else makes them long", () => {
    const pace = createRoundPace();
    for (let i = 0; i < 20; i += 1) for (const count of [1, 100, 250]) pace.note(count, 60 + 0.5 * count);
    const before = pace.addedMs(201);
    for (let i = 0; i < 100; i += 1) pace.note(1 + (i % 3), i % 10 === 0 ? 500 : 60);
    expect(pace.addedMs(201)).to.be.closeTo(before, before * 0.2);
  });

  it("never supposes that payments add more than the whole round took", () => {
    const pace = createRoundPace();
    pace.note(250, 40);
    expect(pace.addedMs(250)).to.be.at.most(40);
  });

  it("tells how many payments a round can have in a time, at least one", () => {
    const pace = createRoundPace();
    for (const count of [1, 2, 100, 300]) expect(pace.within(pace.addedMs(count) + 0.01)).to.equal(count);
    expect(pace.within(0)).to.equal(1);
    expect(pace.within(-500)).to.equal(1);
  });
});

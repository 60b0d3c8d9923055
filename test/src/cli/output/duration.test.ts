import { expect } from "chai";
import { describeAge, describeSeconds } from "../../../../src/cli/output/duration.ts";

describe("describeSeconds", () => {
  for (const [seconds, text] of [
    [0, "5 s"],
    [42, "40 s"],
    [54, "55 s"],
    [58, "1 min"],
    [3_540, "59 min"],
    [3_600, "1 h"],
    [7_140, "2 h"],
    [8_000, "2 h 10 min"],
    [170_000, "47 h 10 min"],
    [600_000, "7 days"],
  ] as const) {
    it(`calls ${seconds} seconds ${text}`, () => {
      expect(describeSeconds(seconds)).to.equal(text);
    });
  }
});

describe("describeAge", () => {
  it("says how long ago something was, and never that it is in the future", () => {
    expect(describeAge(1_000, 61_000)).to.equal("1 min ago");
    expect([describeAge(1_000, 3_400), describeAge(9_000, 1_000)]).to.deep.equal(["just now", "just now"]);
  });
});

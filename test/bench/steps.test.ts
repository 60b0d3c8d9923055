import { expect } from "chai";
import { highestPassing, rateOf, stepNear } from "../../bench/lib/steps.ts";

describe("the steps of a search for a capacity", () => {
  it("are a tenth apart", () => {
    expect([0, 1, 2, 10, 24].map(rateOf)).to.deep.equal([10, 11, 12, 26, 98]);
    expect([1, 10, 26, 98].map(stepNear)).to.deep.equal([-24, 0, 10, 24]);
  });

  for (const first of [-24, 5, 20, 21, 22, 23, 40]) {
    it(`end at the highest that passes, beginning at ${first}`, async () => {
      const asked: number[] = [];
      const found = await highestPassing(first, async (step) => {
        asked.push(step);
        return step <= 21;
      });
      expect(found).to.equal(21);
      expect(asked).to.have.length(new Set(asked).size);
      // The strides to where the answer changes, and three within a stride.
      expect(asked.length).to.be.at.most(Math.abs(first - 21) / 4 + 5);
    });
  }

  it("end without a result if nothing passes", async () => {
    expect(await highestPassing(-3, async () => false)).to.equal(undefined);
  });
});

import { expect } from "chai";
import { chunks, groupBy } from "../../src/lists.ts";

describe("chunks", () => {
  it("keeps every item in its order, with what is left in the last group", () => {
    expect(chunks([1, 2, 3, 4, 5], 2)).to.deep.equal([[1, 2], [3, 4], [5]]);
    expect(chunks([1, 2], 2)).to.deep.equal([[1, 2]]);
    expect(chunks([], 2)).to.deep.equal([]);
  });
});

describe("groupBy", () => {
  it("keeps keys in the order of their first items, and the items of a key in theirs", () => {
    expect([...groupBy([3, 1, 2, 5, 4], (n) => n % 2)]).to.deep.equal([
      [1, [3, 1, 5]],
      [0, [2, 4]],
    ]);
  });
});

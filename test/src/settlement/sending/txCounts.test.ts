import { expect } from "chai";
import { isPlausible, MAX_STRAY } from "../../../../src/settlement/sending/txCounts.ts";

describe("isPlausible", () => {
  const known = { signed: 10, mined: 8, open: 2 };

  it("believes what the journal knows, and a node that is behind", () => {
    expect(isPlausible({ latest: 8, pending: 10 }, known)).to.equal(true);
    expect(isPlausible({ latest: 0, pending: 0 }, known)).to.equal(true);
  });

  it("believes 16 foreign transactions, and not one more", () => {
    expect(isPlausible({ latest: 10 + MAX_STRAY, pending: 10 + MAX_STRAY }, known)).to.equal(true);
    expect(isPlausible({ latest: 11 + MAX_STRAY, pending: 11 + MAX_STRAY }, known)).to.equal(false);
    expect(isPlausible({ latest: 8, pending: 10 + MAX_STRAY }, known)).to.equal(true);
    expect(isPlausible({ latest: 8, pending: 11 + MAX_STRAY }, known)).to.equal(false);
  });

  it("does not believe that signed txNonces are far above what is mined and open", () => {
    expect(isPlausible({ latest: 8, pending: 8 }, { ...known, signed: 10 + MAX_STRAY })).to.equal(true);
    expect(isPlausible({ latest: 8, pending: 8 }, { ...known, signed: 11 + MAX_STRAY })).to.equal(false);
  });

  it("does not believe what is not a count", () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 60, Number.POSITIVE_INFINITY]) {
      expect(isPlausible({ latest: wrong, pending: 0 }, { ...known, signed: undefined })).to.equal(false);
      expect(isPlausible({ latest: 0, pending: wrong }, known)).to.equal(false);
    }
  });
});

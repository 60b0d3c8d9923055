import { expect } from "chai";
import { isDecided } from "../../../../src/journal/ports/payments.ts";

describe("isDecided", () => {
  it("is true for everything that is not on its way", () => {
    for (const state of ["queued", "batched", "submitted"] as const) expect(isDecided({ state })).to.equal(false);
    for (const state of ["settled", "settled-elsewhere", "already-used", "rejected", "expired", "cancelled"] as const) {
      expect(isDecided({ state })).to.equal(true);
    }
  });
});

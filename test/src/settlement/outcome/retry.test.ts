import { expect } from "chai";
import { retryRuleOf } from "../../../../src/settlement/outcome/retry.ts";

describe("retryRuleOf", () => {
  it("depends on the state of a payment that is not rejected", () => {
    const rules = (["queued", "batched", "submitted", "settled", "expired", "cancelled"] as const).map((state) =>
      retryRuleOf({ state, reason: "underfunded" }),
    );
    expect(rules).to.deep.equal(["now", "hold", "hold", "never", "never", "never"]);
  });

  it("depends on the reason of one that is", () => {
    expect(retryRuleOf({ state: "rejected", reason: "underfunded" })).to.equal("until-deadline");
    expect(retryRuleOf({ state: "rejected", reason: "quarantined" })).to.equal("never");
  });

  it("is never for an unknown reason", () => {
    expect(retryRuleOf({ state: "rejected", reason: "batch-reverted:2" })).to.equal("never");
    expect(retryRuleOf({ state: "rejected", reason: undefined })).to.equal("never");
  });
});

import { expect } from "chai";
import { isReason, isRefusal, isRejection, REASONS, type Reason } from "../../src/reasons.ts";

const names = Object.keys(REASONS) as Reason[];
const where = (is: (name: Reason) => boolean) => names.filter(is);

describe("REASONS", () => {
  it("lets a payment wait in the queue only for what may pass before it is planned again", () => {
    expect(where((name) => REASONS[name].state === "queued")).to.have.members([
      "expires-too-soon",
      "duplicate",
      "variant",
      "missing-token",
      "payer-held",
      "over-committed",
    ]);
  });

  it("allows another try if the token, the operator or other payments may take the reason back", () => {
    expect(where((name) => REASONS[name].retry === "until-deadline")).to.have.members([
      "not-yet-valid",
      "underfunded",
      "blocked",
      "token-paused",
      "missing-token",
      "payer-held",
      "over-committed",
      "below-minimum",
      "above-gas-cap",
      "above-calldata-cap",
      "payer-cap",
      "closed",
    ]);
  });

  it("leads to its own state for what is over", () => {
    expect(REASONS.expired.state).to.equal("expired");
    expect(REASONS["never-valid"].state).to.equal("expired");
    expect(REASONS["already-used"].state).to.equal("already-used");
    expect(REASONS.cancelled.state).to.equal("cancelled");
  });
});

describe("isReason", () => {
  it("knows the names of the table, and no property that every object has", () => {
    expect(isReason("underfunded")).to.equal(true);
    for (const name of ["batch-reverted:4", "toString", ""]) expect(isReason(name)).to.equal(false);
  });
});

describe("isRefusal, isRejection", () => {
  it("tells reasons of the token from those that are known before it is asked", () => {
    expect([isRefusal("blocked"), isRejection("blocked")]).to.deep.equal([true, true]);
    expect([isRefusal("zero-payee"), isRejection("zero-payee")]).to.deep.equal([false, true]);
  });

  it("rejects no payment of a job for a reason of intake or of the engine", () => {
    expect(where((name) => !isRejection(name))).to.have.members([
      "payer-cap",
      "undeployed-wallet",
      "closed",
      "reverted",
      "quarantined",
    ]);
  });
});

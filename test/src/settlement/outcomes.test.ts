import { expect } from "chai";
import { laterMs, postponed } from "../../../src/settlement/outcomes.ts";
import type { PaymentRow } from "../../../src/settlement/store/index.ts";

describe("laterMs", () => {
  const row = { acceptedAtMs: 0, deadlineSeconds: 10_000_000n };

  it("looks again the less often, the longer a payment waits, and every ten minutes at least", () => {
    expect(laterMs(row, 1_000, 5_000)).to.equal(6_000);
    expect(laterMs(row, 100_000, 5_000)).to.equal(125_000);
    expect(laterMs(row, 10_000_000, 5_000)).to.equal(10_600_000);
  });

  it("looks once more before the deadline", () => {
    const deadline = { acceptedAtMs: 0, deadlineSeconds: 1_100n };
    expect(laterMs(deadline, 1_000_000, 5_000)).to.equal(1_085_000);
    expect(laterMs(deadline, 1_085_000, 5_000)).to.equal(1_356_250);
  });
});

describe("postponed", () => {
  it("keeps the reason that says something about the next try", () => {
    const row = { id: 7, reason: "batch-reverted:4" } as PaymentRow;
    expect(postponed(row, 99, "why")).to.deep.equal({
      paymentId: 7,
      from: ["queued"],
      to: "queued",
      evidence: { kind: "returned", why: "why", transactionHash: undefined },
      nextTryAtMs: 99,
      reason: "batch-reverted:4",
    });
    expect(postponed({ id: 7 } as PaymentRow, 99, "why")).to.not.have.property("reason");
  });
});

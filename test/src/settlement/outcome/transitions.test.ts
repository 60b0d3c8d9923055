import { expect } from "chai";
import type { AuthorizationRow, PaymentRow } from "../../../../src/journal/index.ts";
import { dropped, laterMs, postponed } from "../../../../src/settlement/outcome/transitions.ts";
import { USUAL_PACE } from "../../../../src/settlement/pace.ts";
import { resolvePolicy } from "../../../../src/settlement/policy.ts";

describe("laterMs", () => {
  const row = { acceptedAtMs: 0, deadlineSeconds: 10_000_000n };

  it("looks again less often the longer a payment waits, but at least every ten minutes", () => {
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

describe("dropped", () => {
  const reason = { kind: "expired", validBefore: 1_000n } as const;
  const row = { id: 7, acceptedAtMs: 0, deadlineSeconds: 1_000n } as AuthorizationRow;
  const at = (nowMs: number, timestamp: bigint) => {
    const port = {
      clock: { now: () => nowMs, sleep: async () => undefined },
      policy: resolvePolicy(),
      pace: USUAL_PACE,
    };
    return dropped(port, row, reason, { number: 5n, timestamp }, new Map());
  };

  it("marks a payment as expired once this clock says so too, and lets it wait while only the chain's time does", () => {
    expect(at(1_000_000, 1_000n)).to.include({ to: "expired" });
    expect(at(900_000, 9_000_000_000n)).to.include({ to: "queued", nextTryAtMs: 985_000 });
    expect(at(999_999, 2n ** 200n)).to.include({ to: "queued", nextTryAtMs: 1_000_000 });
  });
});

describe("postponed", () => {
  it("keeps the reason that says something about the next try", () => {
    const row = { id: 7, reason: "batch-reverted", reasonCount: 4 } as PaymentRow;
    expect(postponed(row, 99, "why")).to.deep.equal({
      paymentId: 7,
      from: ["queued"],
      to: "queued",
      evidence: { kind: "returned", why: "why", transactionHash: undefined },
      nextTryAtMs: 99,
      reason: "batch-reverted",
      reasonCount: 4,
    });
    expect(postponed({ id: 7 } as PaymentRow, 99, "why")).to.not.have.any.keys("reason", "reasonCount");
  });
});

import { expect } from "chai";
import { PlanLimitsError } from "../../../src/batch/index.ts";
import {
  DEFAULT_ENGINE_POLICY,
  EnginePolicyError,
  type EnginePolicyOptions,
  resolvePolicy,
} from "../../../src/settlement/policy.ts";

describe("resolvePolicy", () => {
  it("fills in the defaults", () => {
    expect(resolvePolicy()).to.deep.equal(DEFAULT_ENGINE_POLICY);
    expect(resolvePolicy({ confirmations: 3 })).to.deep.equal({ ...DEFAULT_ENGINE_POLICY, confirmations: 3 });
  });

  it("offers no more per gas than is usual on the chain, unless it is told to", () => {
    const { ceilingWei, tipCeilingWei } = resolvePolicy({}, 8453).fees;
    expect([ceilingWei, tipCeilingWei]).to.deep.equal([5_000_000_000n, 1_000_000_000n]);
    expect(resolvePolicy({ fees: { ceilingWei: 9n } }, 8453).fees).to.deep.equal({
      floorWei: 9n,
      ceilingWei: 9n,
      tipCeilingWei: 9n,
    });
    expect(resolvePolicy({ fees: { tipCeilingWei: 7n } }, 8453).fees).to.include({ ceilingWei, tipCeilingWei: 7n });
  });

  const { fees } = DEFAULT_ENGINE_POLICY;
  const wrong: readonly (readonly [EnginePolicyOptions, string])[] = [
    [{ confirmations: 0 }, "confirmations is 0."],
    [{ lossConfirmations: 1.5 }, "lossConfirmations is 1.5."],
    [{ maxInFlight: 0 }, "maxInFlight is 0."],
    [{ leaseTtlMs: 0 }, "leaseTtlMs is 0."],
    [{ sendEveryMs: -1 }, "sendEveryMs is -1."],
    [{ unprovenInFlight: 0 }, "unprovenInFlight is 0."],
    [{ fees: { ...fees, floorWei: fees.ceilingWei + 1n } }, `fees.floorWei is ${fees.ceilingWei + 1n}.`],
    [{ fees: { ...fees, tipCeilingWei: fees.ceilingWei + 1n } }, `fees.tipCeilingWei is ${fees.ceilingWei + 1n}.`],
  ];
  for (const [policy, details] of wrong) {
    it(`refuses a policy in which ${details}`, () => {
      expect(() => resolvePolicy(policy))
        .to.throw(EnginePolicyError)
        .with.property("details", details);
    });
  }

  it("refuses limits that no plan can keep to", () => {
    expect(() => resolvePolicy({ limits: { maxItems: 0 } })).to.throw(PlanLimitsError);
  });
});

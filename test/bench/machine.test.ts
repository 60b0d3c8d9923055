import { expect } from "chai";
import { inU, machineSection, measureRecovery } from "../../bench/lib/machine.ts";

describe("the machine", () => {
  it("recovers a signer in a time above zero, by the same code that checks payments", async () => {
    expect(await measureRecovery(1)).to.be.greaterThan(0);
  });

  it("gives bars in u that are as strict, where they were written, as they were in milliseconds", () => {
    expect(inU(10_000)).to.equal(33_333);
    expect(inU(2.5)).to.equal(8.333);
  });

  it("says u at the start and at the end, and what the chain alone mines", () => {
    const { figures } = machineSection({ uMs: 0.2, chainPerSecond: 6_500.4 }, 0.21, 3);
    expect(figures).to.deep.equal({ "u, ms": 0.2, "u at the end, ms": 0.21, "chain alone, payments/s": 6_500 });
  });
});

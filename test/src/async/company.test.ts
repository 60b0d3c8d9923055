import { setTimeout as pause } from "node:timers/promises";
import { expect } from "chai";
import { inCompany } from "../../../src/async/company.ts";

describe("inCompany", () => {
  const setUp = (spacingMs: number, enough: number) => {
    const company = inCompany(() => spacingMs, enough);
    const through: number[] = [];
    const come = async (id: number): Promise<void> => {
      await company();
      through.push(id);
    };
    return { through, come };
  };

  it("lets one through at once, and the next ones together at the end of the time", async () => {
    const { through, come } = setUp(40, 10);
    await come(1);
    const startedAt = performance.now();
    const next = [come(2), come(3)];
    await pause(10);
    expect(through).to.deep.equal([1]);
    const last = come(4);
    await Promise.all([...next, last]);
    expect(through).to.deep.equal([1, 2, 3, 4]);
    expect(performance.now() - startedAt).to.be.at.least(38);
  });

  it("does not wait for the time if enough have come", async () => {
    const { through, come } = setUp(3_600_000, 3);
    await come(1);
    await Promise.all([come(2), come(3), come(4)]);
    expect(through).to.deep.equal([1, 2, 3, 4]);
  });

  it("lets everybody through at once if there is no time to wait", async () => {
    const { through, come } = setUp(0, 100);
    await come(1);
    await come(2);
    expect(through).to.deep.equal([1, 2]);
  });
});

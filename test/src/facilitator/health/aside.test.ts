import { expect } from "chai";
import { aside } from "../../../../src/facilitator/health/aside.ts";
import { silentLogger } from "../../../../src/logger.ts";

describe("aside", () => {
  it("returns what the work returns, and logs an error instead of throwing it", async () => {
    const errors: string[] = [];
    const logger = { ...silentLogger, error: (message: string) => void errors.push(message) };
    expect(await aside(logger, "adding", () => 3)).to.equal(3);
    for (const work of [
      () => {
        throw new RangeError("too deep");
      },
      async () => Promise.reject(new Error("no disk")),
    ]) {
      expect(await aside(logger, "listing", work)).to.equal(undefined);
    }
    expect(errors).to.deep.equal(["listing failed", "listing failed"]);
  });
});

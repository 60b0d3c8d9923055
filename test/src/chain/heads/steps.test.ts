import { expect } from "chai";
import { createSteps } from "../../../../src/chain/heads/steps.ts";
import { createHandClock } from "../../../helpers/handClock.ts";

const DUE_MS = 1_002_000;

/** Steps of 200 ms after a block 7 at 1,000,000, at another time of the clock. */
function at(nowMs: number, isRegular = true) {
  const periodMs = isRegular ? 2_000 : undefined;
  const clock = createHandClock(nowMs);
  const dueMs = () => (periodMs === undefined ? undefined : DUE_MS);
  return createSteps({ newest: () => 7n, periodMs: () => periodMs, dueMs }, 200, clock);
}

describe("createSteps", () => {
  it("counts the steps of the block that is being built, and says when the next ones are over", () => {
    for (const [nowMs, newest, dueMs] of [
      [1_000_000, 70n, 1_000_200],
      [1_000_199, 70n, 1_000_200],
      [1_000_200, 71n, 1_000_400],
      [1_001_950, 79n, 1_002_000],
    ] as const) {
      const steps = at(nowMs);
      expect([steps.newest(), steps.periodMs(), steps.dueMs(1)]).to.deep.equal([newest, 200, dueMs]);
      expect(steps.dueMs(3)).to.equal(dueMs + 400);
    }
  });

  it("goes on in the same steps while a block is late", () => {
    expect([at(1_002_450).newest(), at(1_002_450).dueMs(1)]).to.deep.equal([82n, 1_002_600]);
    // The block may seem to be there a little before it was due.
    expect([at(999_990).newest(), at(999_990).dueMs(1)]).to.deep.equal([70n, 1_000_200]);
  });

  it("makes steps of about the asked length, whatever the time between blocks", () => {
    for (const [blockMs, stepMs] of [
      [1_990, 199],
      [1_000, 200],
      [250, 250],
      [90, 90],
    ] as const) {
      const heads = { newest: () => 7n, periodMs: () => blockMs, dueMs: () => DUE_MS };
      const steps = createSteps(heads, 200, createHandClock(DUE_MS - blockMs));
      expect([steps.periodMs(), steps.dueMs(1)]).to.deep.equal([stepMs, DUE_MS - blockMs + stepMs]);
    }
  });

  it("knows nothing as long as blocks come irregularly", () => {
    const steps = at(1_000_500, false);
    expect([steps.newest(), steps.periodMs(), steps.dueMs(1)]).to.deep.equal([undefined, undefined, undefined]);
  });
});

import { expect } from "chai";
import { createSchedule } from "../../../../src/local/preconfirm/schedule.ts";

describe("createSchedule", () => {
  let nowMs = 0;
  const now = () => nowMs;
  const every = (ms: number) => () => ms;
  beforeEach(() => {
    nowMs = 1000;
  });

  it("has steps between blocks, and nothing in between", () => {
    const schedule = createSchedule(200, every(500), now);
    const turns: (readonly [number, string])[] = [];
    for (; nowMs <= 2000; nowMs += 10) {
      const turn = schedule.take();
      if (turn !== undefined) turns.push([nowMs, turn]);
    }
    expect(turns).to.deep.equal([
      [1200, "step"],
      [1400, "step"],
      [1500, "block"],
      [1700, "step"],
      [1900, "step"],
      [2000, "block"],
    ]);
  });

  it("keeps its times if a step or a block takes long, and leaves out what it missed", () => {
    const schedule = createSchedule(200, every(1000), now);
    nowMs = 1650;
    expect(schedule.take()).to.equal("step");
    expect(schedule.nextMs()).to.equal(1800);
    nowMs = 4300;
    expect([schedule.take(), schedule.take()]).to.deep.equal(["block", undefined]);
    expect([schedule.nextMs(), schedule.blockDueMs()]).to.deep.equal([4400, 5000]);
  });

  it("makes no blocks with a block time of 0, and begins anew with another one", () => {
    const schedule = createSchedule(200, every(1000), now);
    schedule.setBlockTime(every(0));
    expect(schedule.blockDueMs()).to.equal(Number.POSITIVE_INFINITY);
    nowMs = 9_100;
    expect(schedule.take()).to.equal("step");
    schedule.setBlockTime(every(300));
    expect([schedule.nextMs(), schedule.blockDueMs()]).to.deep.equal([9_300, 9_400]);
  });
});

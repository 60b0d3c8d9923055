import { expect } from "chai";
import { createLessons } from "../../../../src/chain/heads/lessons.ts";

const BEGIN = 1_000_000;
const STEP_MS = 100;

/** A node that is asked whether it may be asked for learning, every tenth of a second. */
function openLab() {
  const lessons = createLessons(BEGIN);
  let nowMs = BEGIN;
  return {
    lessons,
    now: () => nowMs,
    pass: (ms: number): void => {
      nowMs += ms;
    },
    /** How many questions are allowed in this time, with a block every `blockMs`. */
    ask: (ms: number, blockMs: number, isRegular = false): number => {
      let allowed = 0;
      const beganMs = nowMs;
      for (const endMs = nowMs + ms; nowMs < endMs; nowMs += STEP_MS) {
        if (lessons.take(nowMs)) allowed += 1;
        if ((nowMs - beganMs) % blockMs === blockMs - STEP_MS) lessons.noteBlock(isRegular, nowMs);
      }
      return allowed;
    },
  };
}

describe("createLessons", () => {
  it("allows questions as long as it is not clear how blocks come, and no longer if eight came irregularly", () => {
    const lab = openLab();
    expect(lab.ask(16_000, 2_000)).to.equal(160);
    expect(lab.ask(60_000, 2_000)).to.equal(0);
  });

  it("gives fast blocks ten seconds, since their period is harder to see", () => {
    const lab = openLab();
    expect(lab.ask(10_000, 200)).to.equal(100);
    expect(lab.ask(10_000, 200)).to.equal(0);
  });

  it("allows three hundred questions at most, and the few that become allowed meanwhile", () => {
    const lab = openLab();
    expect(lab.ask(60_000, 9_000)).to.be.within(300, 306);
  });

  it("allows none while no block comes, and goes on with the next one", () => {
    const lab = openLab();
    expect(lab.ask(60_000, 3_600_000)).to.equal(101);
    lab.lessons.noteBlock(false, lab.now());
    expect(lab.ask(5_000, 1_000)).to.equal(50);
  });

  it("allows them again at once if blocks came regularly in between", () => {
    const lab = openLab();
    expect(lab.ask(14_000, 2_000)).to.equal(140);
    for (let i = 0; i < 7; i += 1) lab.lessons.noteBlock(true, lab.now());
    expect(lab.ask(14_000, 2_000)).to.equal(140);
  });

  it("allows all of them again after half an hour, and at once if it is told to begin", () => {
    const lab = openLab();
    expect(lab.ask(60_000, 2_000)).to.equal(160);
    lab.pass(1_800_000);
    expect(lab.ask(60_000, 2_000)).to.be.within(160, 161);
    lab.lessons.begin(lab.now());
    expect(lab.ask(60_000, 2_000)).to.equal(160);
  });
});

import { expect } from "chai";
import { createCadence } from "../../../../src/chain/heads/cadence.ts";

/** A cadence that has seen blocks 1, 2, … at these times. */
function seen(times: readonly number[]) {
  const cadence = createCadence();
  for (const [i, seenAtMs] of times.entries()) cadence.note({ number: BigInt(i + 1), seenAtMs });
  return cadence;
}

/** `count` times, `periodMs` apart, each changed by `off`. */
function times(count: number, periodMs: number, off: (i: number) => number = () => 0): number[] {
  return Array.from({ length: count }, (_, i) => 1_000_000 + i * periodMs + off(i));
}

describe("createCadence", () => {
  it("gives no period before it has seen four blocks", () => {
    for (const count of [0, 1, 2, 3]) {
      const cadence = seen(times(count, 2_000));
      expect([cadence.periodMs(), cadence.dueMs(1)]).to.deep.equal([undefined, undefined]);
    }
    const cadence = seen(times(4, 2_000));
    expect([cadence.periodMs(), cadence.dueMs(1)]).to.deep.equal([2_000, 1_008_000]);
    expect(cadence.dueMs(3)).to.equal(1_012_000);
  });

  it("needs only one interval if that is as expected from the headers, and otherwise three", () => {
    for (const [supposedMs, period] of [
      [1_900, 2_000],
      [2_600, undefined],
    ] as const) {
      const cadence = createCadence();
      cadence.suppose(supposedMs);
      cadence.note({ number: 1n, seenAtMs: 1_000_000 });
      expect(cadence.periodMs()).to.equal(undefined);
      cadence.note({ number: 2n, seenAtMs: 1_002_000 });
      expect(cadence.periodMs()).to.equal(period);
    }
  });

  it("stays right if answers are late by some tens of milliseconds", () => {
    const cadence = seen(times(60, 2_000, (i) => (i * 37) % 80));
    expect(cadence.periodMs()).to.be.closeTo(2_000, 20);
    expect(cadence.dueMs(1)).to.be.closeTo(1_120_040, 50);
  });

  it("follows a chain whose period is longer than two seconds by the time that a block takes", () => {
    const cadence = seen(times(40, 2_137));
    expect(cadence.periodMs()).to.be.closeTo(2_137, 1);
    expect(cadence.dueMs(1)).to.be.closeTo(1_000_000 + 40 * 2_137, 2);
  });

  it("follows a period that changes: first it is irregular, soon it is the new one", () => {
    const cadence = seen(times(20, 2_000));
    let number = 20n;
    let seenAtMs = 1_000_000 + 19 * 2_000;
    const next = (): void => {
      number += 1n;
      seenAtMs += 1_000;
      cadence.note({ number, seenAtMs });
    };
    next();
    next();
    expect(cadence.periodMs()).to.equal(undefined);
    for (let i = 0; i < 40; i += 1) next();
    expect(cadence.periodMs()).to.be.closeTo(1_000, 30);
    expect(cadence.dueMs(1)).to.be.closeTo(seenAtMs + 1_000, 60);
  });

  it("starts over with the first block that comes much too early, since none is seen before it came", () => {
    const cadence = seen(times(20, 2_000));
    const lastMs = 1_000_000 + 19 * 2_000;
    cadence.note({ number: 21n, seenAtMs: lastMs + 700 });
    expect(cadence.periodMs()).to.equal(undefined);
    for (let i = 2; i <= 4; i += 1) cadence.note({ number: 20n + BigInt(i), seenAtMs: lastMs + i * 700 });
    expect(cadence.periodMs()).to.be.closeTo(700, 10);
    expect(cadence.dueMs(1)).to.be.closeTo(lastMs + 5 * 700, 20);
  });

  it("goes on after blocks that were not seen, and ignores those that were seen before", () => {
    const cadence = seen(times(10, 2_000));
    cadence.note({ number: 10n, seenAtMs: 1_018_900 });
    cadence.note({ number: 9n, seenAtMs: 1_018_950 });
    expect(cadence.dueMs(1)).to.equal(1_020_000);
    cadence.note({ number: 13n, seenAtMs: 1_024_000 });
    expect(cadence.dueMs(1)).to.equal(1_026_000);
    expect(cadence.periodMs()).to.equal(2_000);
  });

  it("starts over after a long gap", () => {
    const cadence = seen(times(10, 2_000));
    cadence.note({ number: 500n, seenAtMs: 9_000_000 });
    expect(cadence.periodMs()).to.equal(undefined);
    for (let i = 1; i <= 4; i += 1) cadence.note({ number: 500n + BigInt(i), seenAtMs: 9_000_000 + i * 2_000 });
    expect(cadence.dueMs(1)).to.equal(9_010_000);
  });

  it("is irregular if blocks come at random", () => {
    let time = 0;
    const random = Array.from({ length: 60 }, (_, i) => (time += 200 + ((i * 7_919) % 3_800)));
    expect(seen(random).periodMs()).to.equal(undefined);
  });

  it("is irregular if blocks come too fast to send for each of them", () => {
    expect(seen(times(20, 60)).periodMs()).to.equal(undefined);
    expect(seen(times(20, 250)).periodMs()).to.equal(250);
    expect(seen(times(20, 70_000)).periodMs()).to.equal(undefined);
  });

  it("stops giving a period for a chain that mines on demand", () => {
    // Sending shortly before a block is due makes it come at once, so each comes earlier than the one before.
    const cadence = seen(times(6, 1_000));
    let number = 6n;
    let sent = 0;
    for (let nowMs = 1_005_000; sent < 100; sent += 1) {
      const dueMs = cadence.dueMs(1);
      if (dueMs === undefined) break;
      nowMs = dueMs - 150;
      number += 1n;
      cadence.note({ number, seenAtMs: nowMs });
    }
    expect(sent).to.be.lessThan(100);
  });
});

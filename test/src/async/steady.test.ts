import { expect } from "chai";
import { startSteady } from "../../../src/async/steady.ts";
import type { Clock } from "../../../src/clock.ts";
import { TributaryError } from "../../../src/errors.ts";

/** A clock that only moves when somebody sleeps, and notes for how long. */
function fakeClock(): Clock & { readonly slept: number[] } {
  let now = 1_000_000;
  const slept: number[] = [];
  return {
    slept,
    now: () => now,
    sleep: async (ms) => {
      slept.push(ms);
      now += ms;
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

describe("startSteady", () => {
  it("backs off while work fails, says so once a minute, and says when it works again", async () => {
    const clock = fakeClock();
    const lines: string[] = [];
    const say = (message: string) => void lines.push(message);
    const stop = new AbortController();
    let runs = 0;
    const { ended } = startSteady({
      name: "work",
      clock,
      logger: { debug: say, info: say, warn: say, error: say },
      signal: stop.signal,
      pauseMs: () => 10,
      work: async () => {
        runs += 1;
        if (runs <= 20) throw new TributaryError("broken");
        if (runs === 22) stop.abort();
      },
    });
    await ended;
    expect(clock.slept.slice(0, 7)).to.deep.equal([200, 400, 800, 1_600, 3_200, 5_000, 5_000]);
    expect(clock.slept.at(-1)).to.equal(10);
    expect(lines.filter((line) => line === "work: will try again")).to.have.length(2);
    expect(lines.at(-1)).to.equal("work: works again");
  });

  it("runs at once when it is woken, also while it runs", async () => {
    const stop = new AbortController();
    let rest = (): void => undefined;
    const rested = new Promise<void>((resolve) => {
      rest = resolve;
    });
    let runs = 0;
    const steady = startSteady({
      name: "work",
      clock: {
        now: () => 0,
        sleep: (_, signal) =>
          new Promise((resolve) => {
            rest();
            signal?.addEventListener("abort", () => resolve(), { once: true });
          }),
      },
      logger: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
      signal: stop.signal,
      pauseMs: () => undefined,
      work: async () => {
        runs += 1;
        if (runs === 1) steady.wake();
        if (runs === 3) stop.abort();
      },
    });
    await rested;
    expect(runs).to.equal(2);
    steady.wake();
    await steady.ended;
    expect(runs).to.equal(3);
  });
});

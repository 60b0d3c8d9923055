import { expect } from "chai";
import { alarm } from "../../src/clock.ts";
import { createHandClock } from "../helpers/handClock.ts";

/** Lets everything run that the clock has woken. */
const others = () => new Promise<void>((resolve) => setImmediate(resolve));

describe("alarm", () => {
  it("rings when its time is over by the given clock, and not before", async () => {
    const clock = createHandClock(1_000);
    const { signal } = alarm(clock, 500);
    clock.set(1_499);
    await others();
    expect(signal.aborted).to.equal(false);
    clock.set(1_500);
    await others();
    expect(signal.aborted).to.equal(true);
  });

  it("does not ring once it is cleared, and leaves nothing waiting", async () => {
    const clock = createHandClock(1_000);
    let waiting = 0;
    const counting = {
      now: clock.now,
      sleep: async (ms: number, signal?: AbortSignal) => {
        waiting += 1;
        await clock.sleep(ms, signal);
        waiting -= 1;
      },
    };
    const { signal, clear } = alarm(counting, 500);
    clear();
    await others();
    expect(waiting).to.equal(0);
    clock.set(2_000);
    await others();
    expect(signal.aborted).to.equal(false);
  });

  it("may be cleared after it rang", async () => {
    const clock = createHandClock(1_000);
    const { signal, clear } = alarm(clock, 0);
    clock.set(1_000);
    await others();
    clear();
    expect(signal.aborted).to.equal(true);
  });
});

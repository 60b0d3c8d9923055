import { expect } from "chai";
import fc from "fast-check";
import { type CapacityOptions, createCapacity, type Seat } from "../../../../src/facilitator/admission/capacity.ts";
import type { Caller } from "../../../../src/facilitator/callers/caller.ts";
import { at, merchant, quantile, simulateMachine } from "../../../helpers/simulatedMachine.ts";

const ADMIT_WITHIN_MS = 10_000;

/** A clock that moves only when told to, and a capacity that uses it. */
function open(change: Partial<CapacityOptions> = {}) {
  let nowMs = 1_000_000;
  const clock = { now: () => nowMs, sleep: async () => undefined };
  const capacity = createCapacity({ clock, admitWithinMs: ADMIT_WITHIN_MS, assumedPerSecond: 60, ...change });
  const enter = (caller: Caller, endpoint: "verify" | "settle" | "accepts" = "settle"): Seat | undefined => {
    const seat = capacity.enter(endpoint, caller);
    return "delayMs" in seat ? undefined : seat;
  };
  /** Lets in as many as there is room for. */
  const fill = (caller: Caller): Seat[] => {
    const seats: Seat[] = [];
    for (let seat = enter(caller); seat !== undefined; seat = enter(caller)) seats.push(seat);
    return seats;
  };
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  return { capacity, enter, fill, pass };
}

describe("createCapacity", () => {
  it("holds the bound and keeps the machine busy, however fast it is and however many ask", () => {
    const machine = fc.record({
      perSecond: fc.integer({ min: 20, max: 600 }),
      blockMs: fc.integer({ min: 20, max: 2_000 }),
      factor: fc.double({ min: 1.5, max: 8, noNaN: true }),
    });
    fc.assert(
      fc.property(machine, ({ perSecond, blockMs, factor }) => {
        const simulated = simulateMachine({ perSecond, blockMs, admitWithinMs: ADMIT_WITHIN_MS });
        const load = [{ caller: at("a"), perSecond: perSecond * factor }];
        simulated.run(30, load);
        const sinceMs = simulated.now();
        simulated.run(60, load);
        const times = simulated.answered.filter(({ cameMs }) => cameMs >= sinceMs).map(({ tookMs }) => tookMs);
        expect(quantile(times, 1)).to.be.at.most(ADMIT_WITHIN_MS);
        const good = simulated.answered.filter(({ cameMs, tookMs }) => cameMs + tookMs > sinceMs).length / 60;
        expect(good / perSecond).to.be.at.least(0.95);
      }),
      { numRuns: 25 },
    );
  });

  it("answers in time whatever it lets in during the very first flood", () => {
    for (const perSecond of [10, 20, 110, 1_000]) {
      const simulated = simulateMachine({ perSecond, blockMs: 2_000, admitWithinMs: ADMIT_WITHIN_MS });
      simulated.run(30, [{ caller: at("a"), perSecond: 4 * perSecond }]);
      simulated.run(60);
      const times = simulated.answered.map(({ tookMs }) => tookMs);
      expect(quantile(times, 1), `${perSecond} a second`).to.be.at.most(perSecond < 110 ? 55_000 : 12_000);
    }
  });

  it("lets requests in to /accepts as long as to /verify, does not measure them, and passes their turn on", async () => {
    const { capacity, enter, fill } = open();
    const stools = Array.from({ length: 500 }, () => enter(at("a"), "accepts"));
    expect(stools.filter((stool) => stool === undefined)).to.deep.equal([]);
    expect(capacity.view()).to.deep.include({ inside: { verify: 0, settle: 0 }, isShedding: false });
    // As many as are read at once have their turn; the next one must wait for one of them.
    for (const stool of stools.slice(0, 64)) await stool?.begin();
    let hasBegun = false;
    const waiting = stools[64]?.begin().then(() => {
      hasBegun = true;
    });
    await Promise.resolve();
    expect(hasBegun).to.equal(false);
    stools[0]?.leave("answered");
    await waiting;
    fill(at("b"));
    expect([enter(at("c"), "verify"), enter(at("c"), "accepts")]).to.deep.equal([undefined, undefined]);
  });

  it("takes a whole burst of 200: at first, after an hour of a payment a minute, and after a flood", () => {
    const simulated = simulateMachine({ perSecond: 110, blockMs: 2_000, admitWithinMs: ADMIT_WITHIN_MS });
    const burst = (): number =>
      Array.from({ length: 200 }, () => simulated.ask(at("a"))).filter((it) => it === "in").length;
    expect(burst()).to.equal(200);
    simulated.run(10);
    simulated.run(3_600, [{ caller: at("a"), perSecond: 1 / 60 }]);
    expect(burst()).to.equal(200);
    simulated.run(30, [{ caller: at("a"), perSecond: 440 }]);
    simulated.run(20);
    expect(burst()).to.equal(200);
    expect(simulated.refused.length).to.be.above(0);
  });

  it("refuses while nothing is answered, and stops refusing soon after that is over", () => {
    const simulated = simulateMachine({ perSecond: 110, blockMs: 2_000, admitWithinMs: ADMIT_WITHIN_MS });
    const load = [{ caller: at("a"), perSecond: 80 }];
    simulated.run(30, load);
    const before = simulated.refused.length;
    simulated.become({ perSecond: 0 });
    simulated.run(60, load);
    expect(simulated.refused.length - before).to.be.above(3_500);
    simulated.become({ perSecond: 110 });
    simulated.run(30, load);
    const after = simulated.refused.length;
    simulated.run(30, load);
    expect(simulated.refused.length).to.equal(after);
  });

  it("follows a machine that becomes slower, and one that becomes faster", () => {
    const simulated = simulateMachine({ perSecond: 200, blockMs: 1_000, admitWithinMs: ADMIT_WITHIN_MS });
    const load = [{ caller: at("a"), perSecond: 400 }];
    simulated.run(60, load);
    simulated.become({ perSecond: 50 });
    simulated.run(60, load);
    let sinceMs = simulated.now();
    simulated.run(30, load);
    const slow = simulated.answered.filter(({ cameMs }) => cameMs >= sinceMs).map(({ tookMs }) => tookMs);
    expect(quantile(slow, 1)).to.be.at.most(ADMIT_WITHIN_MS);
    simulated.become({ perSecond: 200 });
    simulated.run(30, load);
    sinceMs = simulated.now();
    simulated.run(30, load);
    const good = simulated.answered.filter(({ cameMs, tookMs }) => cameMs + tookMs > sinceMs).length / 30;
    expect(good).to.be.at.least(0.95 * 200);
  });

  it("learns from what it does without being busy, too", () => {
    const simulated = simulateMachine({ perSecond: 400, blockMs: 2_000, admitWithinMs: ADMIT_WITHIN_MS });
    for (const perSecond of [80, 160, 320]) simulated.run(20, [{ caller: at("a"), perSecond }]);
    expect(simulated.refused).to.have.length(0);
  });

  it("fills blocks that are slower than the bound", () => {
    const simulated = simulateMachine({ perSecond: 60, blockMs: 12_000, admitWithinMs: ADMIT_WITHIN_MS });
    const load = [{ caller: at("a"), perSecond: 120 }];
    simulated.run(60, load);
    const sinceMs = simulated.now();
    simulated.run(120, load);
    const good = simulated.answered.filter(({ cameMs, tookMs }) => cameMs + tookMs > sinceMs).length / 120;
    expect(good).to.be.at.least(0.95 * 60);
  });

  it("refuses /verify before any settlement, and says when to come again", () => {
    const { capacity, enter, fill } = open();
    const refusedAt = fillUntilRefused();
    expect(refusedAt.verify).to.be.below(refusedAt.settle);
    expect(enter(at("a"), "verify")).to.equal(undefined);
    const full = capacity.enter("settle", at("a"));
    expect(full).to.have.property("retryAfterSeconds").that.is.within(1, 60);
    expect(capacity.view().isShedding).to.equal(true);
    expect(fill(at("a"))).to.have.length(0);

    function fillUntilRefused() {
      const found = { verify: Number.POSITIVE_INFINITY, settle: Number.POSITIVE_INFINITY };
      for (let n = 0; found.settle === Number.POSITIVE_INFINITY; n += 1) {
        const verification = enter(at("b"), "verify");
        if (verification === undefined) found.verify = Math.min(found.verify, n);
        verification?.leave("answered");
        if (enter(at("a")) === undefined) found.settle = n;
      }
      return found;
    }
  });

  it("bounds how many verifications wait, by how fast they are done", () => {
    const { enter } = open();
    let inside = 0;
    while (enter(at("a"), "verify") !== undefined) inside += 1;
    expect(inside).to.be.within(200, 2_000);
    // Settlements do not queue behind them.
    expect(enter(at("a"))).to.not.equal(undefined);
  });

  it("leaves room for others if one takes all that it can get, and divides about equally", () => {
    for (const [greedy, modest] of [
      [merchant("greedy"), merchant("modest")],
      [at("greedy"), merchant("modest")],
      [merchant("greedy"), at("modest")],
      [at("greedy"), at("modest")],
    ] as const) {
      const simulated = simulateMachine({ perSecond: 110, blockMs: 2_000, admitWithinMs: ADMIT_WITHIN_MS });
      simulated.run(30, [{ caller: greedy, perSecond: 600 }]);
      const loads = [
        { caller: greedy, perSecond: 600 },
        { caller: modest, perSecond: 40 },
      ];
      simulated.run(60, loads);
      // It asks for less than its half, so it is refused at most until it got places from the greedy one.
      const refused = simulated.refused.filter(({ caller }) => caller === modest).length;
      expect(refused / (40 * 60)).to.be.below(0.05);
      const sinceMs = simulated.now();
      simulated.run(60, [loads[0]!, { caller: modest, perSecond: 150 }]);
      const settled = (one: Caller) =>
        simulated.answered.filter(({ caller, cameMs }) => caller === one && cameMs > sinceMs + 15_000).length;
      expect(settled(modest) / settled(greedy)).to.be.within(0.6, 1.6);
    }
  });

  it("counts everybody without a key as one, however many addresses they come from", () => {
    const simulated = simulateMachine({ perSecond: 110, blockMs: 2_000, admitWithinMs: ADMIT_WITHIN_MS });
    const shop = merchant("shop");
    const crowd = Array.from({ length: 20 }, (_, i) => ({ caller: at(`10.0.0.${i}`), perSecond: 30 }));
    const load = [...crowd, { caller: shop, perSecond: 200 }];
    simulated.run(30, load);
    const sinceMs = simulated.now();
    simulated.run(60, load);
    const answered = simulated.answered.filter(({ cameMs }) => cameMs >= sinceMs);
    const ofShop = answered.filter(({ caller }) => caller === shop).length;
    expect(ofShop / answered.length).to.be.within(0.4, 0.6);
    const each = crowd.map((one) => answered.filter(({ caller }) => caller === one.caller).length);
    expect(Math.max(...each) / Math.min(...each)).to.be.below(2);
  });

  it("frees a place when its caller leaves, but not before its payment is decided", async () => {
    const { capacity, enter, fill } = open();
    const seats = fill(at("a"));
    const full = capacity.view().inside.settle;
    seats[0]!.leave("left");
    expect(capacity.view().inside.settle).to.equal(full - 1);
    expect(enter(at("a"))).to.not.equal(undefined);
    let mined: () => void = () => undefined;
    seats[1]!.keep(
      new Promise<void>((resolve) => {
        mined = resolve;
      }),
    );
    seats[1]!.leave("left");
    expect(capacity.view().inside.settle).to.equal(full);
    mined();
    await Promise.resolve().then(() => undefined);
    expect(capacity.view().inside.settle).to.equal(full - 1);
  });

  it("learns nothing from what was turned down early, or left", () => {
    const { capacity, fill, pass } = open();
    const before = capacity.view().perSecond;
    for (const outcome of ["answered", "left"] as const) {
      const seats = fill(at("a"));
      pass(5);
      for (const seat of seats) seat.leave(outcome);
    }
    expect(capacity.view()).to.include({ perSecond: before });
    expect(capacity.view().inside.settle).to.equal(0);
  });

  it("always lets a few in, so that the end of an overload is noticed", () => {
    const { capacity, enter, pass } = open();
    const stuck = enter(at("a"));
    pass(3_600_000);
    expect(capacity.view().delayMs).to.be.above(3_000_000);
    const others = Array.from({ length: 7 }, () => enter(at("a")));
    expect(others).to.not.include(undefined);
    expect(enter(at("a"))).to.equal(undefined);
    stuck?.waits();
    stuck?.leave("answered");
    expect(enter(at("a"))).to.not.equal(undefined);
  });

  it("lets 64 be worked on at once, settlements first, and forgets who leaves while waiting", async () => {
    const { enter } = open();
    const begun: string[] = [];
    const seats = Array.from({ length: 64 }, () => enter(at("a")));
    for (const seat of seats) await seat!.begin();
    const leaving = new AbortController();
    const verification = enter(at("a"), "verify");
    const gone = enter(at("a"));
    const settlement = enter(at("a"));
    const waiting = [
      verification!.begin().then(() => begun.push("verification")),
      gone!.begin(leaving.signal).then(
        () => begun.push("gone"),
        (error: unknown) => begun.push(String(error)),
      ),
      settlement!.begin().then(() => begun.push("settlement")),
    ];
    leaving.abort("left");
    await waiting[1];
    seats[0]!.waits();
    await waiting[2];
    seats[0]!.leave("answered");
    expect(begun).to.deep.equal(["left", "settlement"]);
    seats[1]!.leave("answered");
    await waiting[0];
    expect(begun).to.deep.equal(["left", "settlement", "verification"]);
  });
});

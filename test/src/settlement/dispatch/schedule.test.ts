import { expect } from "chai";
import { createQueue, nextDispatchMs, type QueueView } from "../../../../src/settlement/dispatch/schedule.ts";

const policy = { lingerMs: 25, gatherMs: 250, maxLingerMs: 2_000, fullBatch: 300 };
const view = (over: Partial<QueueView> = {}): QueueView => {
  return {
    nowMs: 10_000,
    waiting: 1,
    sinceMs: 9_990,
    lastMs: 9_990,
    earliestDeadlineSeconds: 600n,
    isUrgent: false,
    inFlight: 0,
    hasRoom: true,
    notBeforeMs: 0,
    cutOffMs: undefined,
    ...over,
  };
};

describe("nextDispatchMs", () => {
  it("has nothing to do with an empty queue", () => {
    expect(nextDispatchMs(view({ waiting: 0, sinceMs: undefined }), policy)).to.equal(undefined);
  });

  it("sends after a short linger when nothing is in flight", () => {
    expect(nextDispatchMs(view(), policy)).to.equal(10_015);
  });

  it("waits a little longer while a burst keeps coming in, and not for ever", () => {
    expect(nextDispatchMs(view({ waiting: 40, lastMs: 10_000 }), policy)).to.equal(10_025);
    expect(nextDispatchMs(view({ waiting: 40, sinceMs: 9_760, lastMs: 10_000 }), policy)).to.equal(10_010);
    const patient = { ...policy, lingerMs: 600 };
    expect(nextDispatchMs(view({ waiting: 40, lastMs: 10_000 }), patient)).to.equal(10_590);
  });

  it("collects while something is in flight, for the longest linger at most", () => {
    expect(nextDispatchMs(view({ inFlight: 1 }), policy)).to.equal(11_990);
  });

  it("sends a full batch at once, but not one with a payment less", () => {
    expect(nextDispatchMs(view({ waiting: 299, inFlight: 1 }), policy)).to.equal(11_990);
    expect(nextDispatchMs(view({ waiting: 300, inFlight: 1 }), policy)).to.equal(10_000);
  });

  it("sends when a deadline is 12 seconds away, and not a second before", () => {
    expect(nextDispatchMs(view({ inFlight: 1, earliestDeadlineSeconds: 23n }), policy)).to.equal(11_000);
    expect(nextDispatchMs(view({ inFlight: 1, earliestDeadlineSeconds: 22n }), policy)).to.equal(10_000);
    expect(nextDispatchMs(view({ inFlight: 1, earliestDeadlineSeconds: 1n }), policy)).to.equal(10_000);
  });

  it("never waits longer than the longest linger, however far the deadline is", () => {
    expect(nextDispatchMs(view({ inFlight: 1, earliestDeadlineSeconds: 2n ** 256n - 1n }), policy)).to.equal(11_990);
  });

  it("sends at once what must not wait", () => {
    expect(nextDispatchMs(view({ inFlight: 1, isUrgent: true }), policy)).to.equal(10_000);
  });

  it("waits for room, whatever is urgent", () => {
    expect(nextDispatchMs(view({ hasRoom: false, isUrgent: true, waiting: 300 }), policy)).to.equal(undefined);
  });

  it("leaves time after a round that sent nothing", () => {
    expect(nextDispatchMs(view({ notBeforeMs: 12_345, isUrgent: true }), policy)).to.equal(12_345);
    expect(nextDispatchMs(view({ notBeforeMs: 12_345 }), policy)).to.equal(12_345);
  });
});

describe("createQueue", () => {
  it("keeps the count, the earliest deadline, the longest wait and the urgency of what came in", () => {
    const queue = createQueue();
    queue.add({ count: 0, sinceMs: 1 });
    expect(queue.view()).to.include({ waiting: 0, sinceMs: 1 });
    queue.add({ count: 2, deadlineSeconds: 50n, sinceMs: 7 });
    queue.add({ count: 1, sinceMs: 5 });
    queue.add({ count: 3, deadlineSeconds: 40n, isUrgent: true, sinceMs: 9 });
    queue.add({ count: 1, deadlineSeconds: 60n, sinceMs: 9 });
    const all = { waiting: 7, sinceMs: 5, lastMs: 9, earliestDeadlineSeconds: 40n, isUrgent: true };
    expect(queue.view()).to.deep.equal(all);
    expect(queue.take()).to.deep.equal(all);
    expect(queue.view().waiting).to.equal(0);
  });
});

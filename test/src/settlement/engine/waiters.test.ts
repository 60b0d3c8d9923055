import { expect } from "chai";
import type { PaymentRow, PaymentState } from "../../../../src/journal/index.ts";
import { createWaiters } from "../../../../src/settlement/engine/waiters.ts";

const row = (id: number, state: PaymentState): PaymentRow =>
  ({ id, state, evidence: { kind: "accepted" } }) as PaymentRow;

describe("createWaiters", () => {
  it("resolves at once with a row that is decided", async () => {
    const decided = row(1, "settled");
    expect(await createWaiters().wait(decided)).to.equal(decided);
  });

  it("tells everybody who waits for a payment, once it is decided", async () => {
    const waiters = createWaiters();
    const all = [waiters.wait(row(1, "queued")), waiters.wait(row(1, "submitted"))];
    for (const one of [row(1, "batched"), row(2, "settled")]) waiters.note(one);
    expect(waiters.ids()).to.deep.equal([1]);
    const decided = row(1, "expired");
    waiters.note(decided);
    expect(await Promise.all(all)).to.deep.equal([decided, decided]);
    expect(waiters.ids()).to.deep.equal([]);
  });

  it("tells a payment's preconfirmation to those for whom it is enough, and to nobody else", async () => {
    const waiters = createWaiters();
    const quick = waiters.wait(row(1, "submitted"), undefined, "preconfirmed");
    const sure = waiters.wait(row(1, "submitted"));
    const preconfirmed = { ...row(1, "submitted"), evidence: { kind: "preconfirmation" } } as PaymentRow;
    waiters.note(preconfirmed);
    expect(await quick).to.equal(preconfirmed);
    expect(await waiters.wait(preconfirmed, undefined, "preconfirmed")).to.equal(preconfirmed);
    expect(waiters.ids()).to.deep.equal([1]);
    waiters.note(row(1, "settled"));
    expect((await sure).state).to.equal("settled");
  });

  it("lets one go when its signal aborts, and keeps the others", async () => {
    const waiters = createWaiters();
    const leaving = new AbortController();
    const gone = waiters.wait(row(1, "queued"), leaving.signal).catch((error: unknown) => error);
    const staying = waiters.wait(row(1, "queued"));
    leaving.abort("gone");
    expect(await gone).to.equal("gone");
    waiters.note(row(1, "settled"));
    expect((await staying).state).to.equal("settled");
    expect(await waiters.wait(row(2, "queued"), leaving.signal).catch((error: unknown) => error)).to.equal("gone");
    expect(waiters.ids()).to.deep.equal([]);
  });

  it("leaves nothing on a signal that outlives the wait", async () => {
    const waiters = createWaiters();
    let listeners = 0;
    const { signal } = new AbortController();
    const counted = new Proxy(signal, {
      get: (target, name) => {
        if (name === "addEventListener") listeners += 1;
        if (name === "removeEventListener") listeners -= 1;
        const value: unknown = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    const waiting = waiters.wait(row(1, "queued"), counted);
    waiters.note(row(1, "settled"));
    await waiting;
    expect(listeners).to.equal(0);
  });

  it("rejects everybody when it fails, and everybody who comes later", async () => {
    const waiters = createWaiters();
    const before = waiters.wait(row(1, "queued")).catch((error: unknown) => error);
    const failure = new Error("closed");
    waiters.fail(failure);
    expect(await before).to.equal(failure);
    expect(await waiters.wait(row(2, "queued")).catch((error: unknown) => error)).to.equal(failure);
  });
});

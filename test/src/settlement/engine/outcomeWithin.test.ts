import { expect } from "chai";
import { systemClock } from "../../../../src/clock.ts";
import type { PaymentRow, PaymentState } from "../../../../src/journal/index.ts";
import { EngineClosedError } from "../../../../src/settlement/engine/errors.ts";
import { outcomeWithin, takeBack } from "../../../../src/settlement/engine/outcomeWithin.ts";

const row = (state: PaymentState): PaymentRow => ({ id: 1, state }) as PaymentRow;

/** An engine that decides nothing: only a signal ends a wait. */
const silent = {
  outcome: (_id: number, { signal }: { readonly signal?: AbortSignal } = {}) =>
    new Promise<PaymentRow>((_, reject) => signal?.addEventListener("abort", () => reject(signal.reason))),
};

describe("outcomeWithin", () => {
  const clock = systemClock;

  it("gives the row that was decided", async () => {
    const settled = row("settled");
    const engine = { outcome: async () => settled };
    expect(await outcomeWithin({ engine, clock }, 1, { ms: 60_000, signals: [undefined] })).to.equal(settled);
  });

  it("gives nothing when the time is over", async () => {
    expect(await outcomeWithin({ engine: silent, clock }, 1, { ms: 1, signals: [] })).to.equal(undefined);
  });

  it("gives nothing when one of the signals aborts", async () => {
    const gone = new AbortController();
    const waited = outcomeWithin({ engine: silent, clock }, 1, { ms: 60_000, signals: [undefined, gone.signal] });
    gone.abort();
    expect(await waited).to.equal(undefined);
  });

  it("gives nothing when the engine is closed, and passes on any other error", async () => {
    const failing = (error: Error) => {
      const engine = { outcome: () => Promise.reject(error) };
      return outcomeWithin({ engine, clock }, 1, { ms: 60_000, signals: [] });
    };
    expect(await failing(new EngineClosedError("closed"))).to.equal(undefined);
    const fault = new Error("disk full");
    expect(await failing(fault).catch((error: unknown) => error)).to.equal(fault);
  });
});

describe("takeBack", () => {
  const journal = { payment: async () => row("submitted") };

  it("gives nothing for a payment that was taken out of the queue", async () => {
    expect(await takeBack({ engine: { cancel: async () => true }, journal }, row("queued"))).to.equal(undefined);
  });

  it("gives the current row if it was sent", async () => {
    const now = await takeBack({ engine: { cancel: async () => false }, journal }, row("queued"));
    expect(now?.state).to.equal("submitted");
  });
});

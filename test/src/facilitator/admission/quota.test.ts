import { expect } from "chai";
import { createDailyCounts, type Quota, QuotaError } from "../../../../src/facilitator/admission/quota.ts";
import { type Journal, openJournal } from "../../../../src/journal/index.ts";

describe("createDailyCounts", () => {
  let journal: Journal;
  let nowMs = Date.UTC(2026, 0, 2, 23, 59, 30);
  const clock = { now: () => nowMs, sleep: async () => undefined };
  const of = (name: string, amount: number): Quota => ({ name, amount, most: 10, message: `${name} is used up` });

  before(async () => {
    journal = await openJournal(":memory:");
  });
  after(() => journal.close());

  it("counts all or nothing, says when the next day begins, gives back, and starts again with the day", async () => {
    const counts = createDailyCounts(journal, clock);
    const undo = await counts.take([of("a", 6), of("b", 2)]);
    const error = await counts.take([of("b", 2), of("a", 5)]).catch((failure: unknown) => failure);
    expect(error).to.be.instanceOf(QuotaError);
    expect(error).to.include({ message: "a is used up", retryAfterSeconds: 30 });
    expect(await journal.cursor("day:2026-01-02:b")).to.equal("2");
    await undo();
    await counts.take([of("a", 5), of("b", 2)]);
    nowMs += 30_000;
    await counts.take([of("a", 10)]);
    // The next day forgets what is older than yesterday.
    expect(await journal.cursor("day:2026-01-02:a")).to.equal("5");
    nowMs += 86_400_000;
    await counts.take([of("a", 10)]);
    expect(await journal.cursor("day:2026-01-02:a")).to.equal(undefined);
    expect(await journal.cursor("day:2026-01-03:a")).to.equal("10");
  });

  it("checks without counting", async () => {
    const counts = createDailyCounts(journal, clock);
    await counts.check([of("c", 10)]);
    expect(await counts.check([of("c", 11)]).catch((failure: unknown) => failure)).to.be.instanceOf(QuotaError);
    expect(await journal.cursor("day:2026-01-04:c")).to.equal(undefined);
  });
});

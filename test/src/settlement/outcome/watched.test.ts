import { expect } from "chai";
import { createWatched, type Due } from "../../../../src/settlement/outcome/watched.ts";

const until = (dueSeconds: bigint) => (due: Due) => !("dueSeconds" in due) || due.dueSeconds <= dueSeconds;

describe("createWatched", () => {
  it("gives every payer a turn before one has a second, by the nearest end", () => {
    const watched = createWatched(100, () => undefined);
    for (let id = 1; id <= 6; id += 1) watched.set(id, "many", { dueSeconds: BigInt(id) });
    watched.set(7, "one", { dueSeconds: 6n });
    watched.set(8, "late", { dueSeconds: 9n });
    watched.set(9, "block", { dueBlock: 5n });
    expect(watched.due(until(6n), 3)).to.deep.equal([9, 1, 7]);
    expect(watched.due(until(6n), 5)).to.deep.equal([9, 1, 7, 2, 3]);
    expect([...watched.due(until(9n), 100)].sort()).to.deep.equal([1, 2, 3, 4, 5, 6, 7, 8, 9]);
    watched.delete(1);
    expect(watched.due(until(1n), 9)).to.deep.equal([9]);
  });

  it("drops payments of those who have many, from the farthest end, if it is full", () => {
    let gone = 0;
    const watched = createWatched(20, (count) => {
      gone += count;
    });
    for (let id = 1; id <= 20; id += 1) watched.set(id, "many", { dueSeconds: BigInt(1_000 - id) });
    watched.set(20, "many", { dueSeconds: 1_000n });
    expect(gone).to.equal(0);
    watched.set(21, "newcomer", { dueSeconds: 5_000n });
    expect([gone, watched.size()]).to.deep.equal([2, 19]);
    expect([watched.has(20), watched.has(1), watched.has(2), watched.has(21)]).to.deep.equal([
      false,
      false,
      true,
      true,
    ]);
  });
});

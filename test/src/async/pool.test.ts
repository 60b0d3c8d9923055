import { expect } from "chai";
import { eachAtOnce } from "../../../src/async/pool.ts";

describe("eachAtOnce", () => {
  it("works on every item, never on more than that many at once", async () => {
    const done: number[] = [];
    let [open, most] = [0, 0];
    await eachAtOnce([1, 2, 3, 4, 5], 2, async (item) => {
      open += 1;
      most = Math.max(most, open);
      await new Promise((resolve) => setImmediate(resolve));
      open -= 1;
      done.push(item);
    });
    expect(done).to.deep.equal([1, 2, 3, 4, 5]);
    expect(most).to.equal(2);
  });

  it("has nothing to do without items", async () => {
    await eachAtOnce([], 4, () => Promise.reject(new Error("called")));
  });

  it("fails if the work on an item fails", async () => {
    const work = (item: number) => (item === 2 ? Promise.reject(new Error("two")) : Promise.resolve());
    const error = await eachAtOnce([1, 2, 3], 2, work).catch((caught: unknown) => caught);
    expect(error).to.have.property("message", "two");
  });
});

import { expect } from "chai";
import { createCollector } from "../../../src/async/collector.ts";

describe("createCollector", () => {
  it("makes one bulk of the calls of a moment, and of those that come while one is under way", async () => {
    const bulks: (readonly number[])[] = [];
    const collect = createCollector<number, number>(async (inputs) => {
      bulks.push(inputs);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return inputs.map((input) => input * 2);
    });
    const first = [collect(1), collect(2)];
    await new Promise((resolve) => setImmediate(resolve));
    const second = [collect(3), collect(4)];
    expect(await Promise.all([...first, ...second])).to.deep.equal([2, 4, 6, 8]);
    expect(bulks).to.deep.equal([
      [1, 2],
      [3, 4],
    ]);
  });

  it("bounds a bulk", async () => {
    const sizes: number[] = [];
    const collect = createCollector<number, number>(async (inputs) => {
      sizes.push(inputs.length);
      return inputs;
    }, 2);
    await Promise.all([1, 2, 3, 4, 5].map(collect));
    expect(sizes).to.deep.equal([2, 2, 1]);
  });

  it("fails one call where its output is an error, and all where the bulk fails", async () => {
    const collect = createCollector<number, number>(async (inputs) => {
      if (inputs.includes(9)) throw new Error("all");
      return inputs.map((input) => (input === 1 ? new Error("one") : input));
    });
    const [one, two] = await Promise.allSettled([collect(1), collect(2)]);
    expect(one).to.have.nested.property("reason.message", "one");
    expect(two).to.deep.equal({ status: "fulfilled", value: 2 });
    const all = await Promise.allSettled([collect(9), collect(3)]);
    for (const answer of all) expect(answer).to.have.nested.property("reason.message", "all");
    expect(await collect(4)).to.equal(4);
  });
});

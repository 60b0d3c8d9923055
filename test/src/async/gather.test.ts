import { setImmediate as nextTurn } from "node:timers/promises";
import { expect } from "chai";
import { gather, settled, togetherOrAlone } from "../../../src/async/gather.ts";

describe("gather", () => {
  const setUp = (most = 100) => {
    const runs: number[][] = [];
    const ask = gather<number, number>(async (items) => {
      runs.push([...items]);
      await new Promise((resolve) => setTimeout(resolve, 5));
      return items.map((value) => ({ ok: true, value: value * 2 }));
    }, most);
    return { runs, ask };
  };

  it("runs what comes in one tick together, and what comes meanwhile in the next run", async () => {
    const { runs, ask } = setUp();
    const first = [ask(1), ask(2)];
    await new Promise((resolve) => setTimeout(resolve, 1));
    const second = [ask(3), ask(4)];
    expect(await Promise.all([...first, ...second])).to.deep.equal([2, 4, 6, 8]);
    expect(runs).to.deep.equal([
      [1, 2],
      [3, 4],
    ]);
    expect(await ask(5)).to.equal(10);
  });

  it("bounds a run, but never leaves out one that is too large alone", async () => {
    const runs: string[][] = [];
    const ask = gather<string, string>(
      async (items) => {
        runs.push([...items]);
        return items.map((value) => ({ ok: true, value }));
      },
      4,
      { weight: (item) => item.length },
    );
    const items = ["aaa", "b", "c", "dddddddd", "e"];
    expect(await Promise.all(items.map(ask))).to.deep.equal(items);
    expect(runs).to.deep.equal([["aaa", "b"], ["c"], ["dddddddd"], ["e"]]);
  });

  it("rejects all of a run that throws, and continues", async () => {
    let fails = true;
    const ask = gather<number, number>(async (items) => {
      if (fails) throw new Error("down");
      return items.map((value) => ({ ok: true, value }));
    }, 10);
    const [one, two] = await Promise.allSettled([ask(1), ask(2)]);
    expect([one.status, two.status]).to.deep.equal(["rejected", "rejected"]);
    fails = false;
    expect(await ask(3)).to.equal(3);
  });

  it("bounds a run by the number of requests if their weights are unknown", async () => {
    const sizes: number[] = [];
    const ask = gather<number, number>(async (items) => {
      sizes.push(items.length);
      return items.map((value) => ({ ok: true, value }));
    }, 2);
    await Promise.all([1, 2, 3, 4, 5].map(ask));
    expect(sizes).to.deep.equal([2, 2, 1]);
  });

  it("fails one request if its answer is a failure, and all if the run throws", async () => {
    const ask = gather<number, number>(async (items) => {
      if (items.includes(9)) throw new Error("all");
      return items.map((value) => (value === 1 ? { ok: false, error: new Error("one") } : { ok: true, value }));
    }, 10);
    const [one, two] = await Promise.allSettled([ask(1), ask(2)]);
    expect(one).to.have.nested.property("reason.message", "one");
    expect(two).to.deep.equal({ status: "fulfilled", value: 2 });
    const all = await Promise.allSettled([ask(9), ask(3)]);
    for (const answer of all) expect(answer).to.have.nested.property("reason.message", "all");
    expect(await ask(4)).to.equal(4);
  });

  it("includes what comes within a turn of the event loop if it pauses for that", async () => {
    const runs: number[][] = [];
    const ask = gather<number, number>(
      async (items) => {
        runs.push([...items]);
        return items.map((value) => ({ ok: true, value }));
      },
      10,
      { pause: nextTurn },
    );
    const first = ask(1);
    await Promise.resolve();
    await Promise.all([first, ask(2)]);
    expect(runs).to.deep.equal([[1, 2]]);
  });
});

describe("settled", () => {
  it("says how a call ended", async () => {
    const error = new Error("down");
    expect(await settled(Promise.resolve(1))).to.deep.equal({ ok: true, value: 1 });
    expect(await settled(Promise.reject(error))).to.deep.equal({ ok: false, error });
  });
});

describe("togetherOrAlone", () => {
  const run = async (items: readonly number[]) => {
    if (items.includes(13)) throw new Error("unlucky");
    return items.map((item) => -item);
  };

  it("lets one request fail alone", async () => {
    const settled = await togetherOrAlone([1, 13, 2], run, () => false);
    expect(settled.map((one) => (one.ok ? one.value : "failed"))).to.deep.equal([-1, "failed", -2]);
  });

  it("fails all if the reason concerns all", async () => {
    const settled = await togetherOrAlone([1, 13, 2], run, () => true);
    expect(settled.map(({ ok }) => ok)).to.deep.equal([false, false, false]);
  });
});

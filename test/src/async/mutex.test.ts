import { expect } from "chai";
import { mutex } from "../../../src/async/mutex.ts";

describe("mutex", () => {
  it("runs one thing after another, also after one that failed", async () => {
    const inTurn = mutex();
    const said: string[] = [];
    const work = (name: string, fails = false) =>
      inTurn(async () => {
        said.push(`${name} begins`);
        await new Promise((resolve) => setImmediate(resolve));
        said.push(`${name} ends`);
        if (fails) throw new Error(name);
        return name;
      });
    const [one, two, three] = await Promise.allSettled([work("one"), work("two", true), work("three")]);
    expect(said).to.deep.equal(["one", "two", "three"].flatMap((name) => [`${name} begins`, `${name} ends`]));
    expect(one).to.deep.equal({ status: "fulfilled", value: "one" });
    expect(two).to.have.nested.property("reason.message", "two");
    expect(three).to.deep.equal({ status: "fulfilled", value: "three" });
  });
});

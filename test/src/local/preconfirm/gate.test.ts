import { setImmediate as turn } from "node:timers/promises";
import { expect } from "chai";
import { createGate } from "../../../../src/local/preconfirm/gate.ts";

describe("createGate", () => {
  /** Work that notes when it begins and ends, and ends when it is told to. */
  function work(name: string, log: string[]) {
    let end = (): void => undefined;
    const ended = new Promise<void>((resolve) => {
      end = resolve;
    });
    const run = async (): Promise<string> => {
      log.push(`${name} begins`);
      await ended;
      log.push(`${name} ends`);
      return name;
    };
    return { run, end };
  }

  it("lets shared work run side by side, and work alone when that is done", async () => {
    const gate = createGate();
    const log: string[] = [];
    const [one, two, lonely, late] = ["one", "two", "lonely", "late"].map((name) => work(name, log));
    if (one === undefined || two === undefined || lonely === undefined || late === undefined)
      throw new Error("no work");
    const all = [gate.shared(one.run), gate.shared(two.run), gate.alone(lonely.run)];
    await turn();
    all.push(gate.shared(late.run));
    expect(log).to.deep.equal(["one begins", "two begins"]);
    for (const { end } of [two, one]) {
      end();
      await turn();
    }
    expect(log.slice(2)).to.deep.equal(["two ends", "one ends", "lonely begins"]);
    for (const { end } of [lonely, late]) {
      end();
      await turn();
    }
    expect(log.slice(5)).to.deep.equal(["lonely ends", "late begins", "late ends"]);
    expect(await Promise.all(all)).to.deep.equal(["one", "two", "lonely", "late"]);
  });

  it("goes on after work that failed", async () => {
    const gate = createGate();
    const fail = () => Promise.reject(new Error("no"));
    const failed = [gate.shared(fail), gate.alone(fail)].map((answer) => answer.catch((error: Error) => error.message));
    expect(await Promise.all(failed)).to.deep.equal(["no", "no"]);
    expect(await gate.alone(async () => 1)).to.equal(1);
    expect(await gate.shared(async () => 2)).to.equal(2);
  });
});

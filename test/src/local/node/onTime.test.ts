import { expect } from "chai";
import { onTime } from "../../../../src/local/node/onTime.ts";
import type { DevelopmentNode } from "../../../../src/local/node/port.ts";
import { createHandClock, type HandClock } from "../../../helpers/handClock.ts";

describe("onTime", () => {
  let clock: HandClock;
  let asked: string[];
  /** How long making a block takes. */
  let makingMs: number;
  let node: DevelopmentNode;

  beforeEach(() => {
    clock = createHandClock(1_000);
    asked = [];
    makingMs = 0;
    node = onTime(
      {
        request: async (method, params = []) => {
          if (method === "evm_mine") clock.set(clock.now() + makingMs);
          asked.push([method, ...params].join(" "));
          return method === "eth_blockNumber" ? "0x7" : true;
        },
        onNotification: () => () => undefined,
        close: async () => void asked.push("close"),
      },
      clock,
    );
  });
  afterEach(() => node.close());

  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  /** Sets the clock, and says how many blocks were made until then. */
  const blocksUntil = async (nowMs: number): Promise<number> => {
    clock.set(nowMs);
    await turn();
    return asked.filter((one) => one === "evm_mine").length;
  };

  it("passes on what is asked", async () => {
    expect(await node.request("eth_blockNumber")).to.equal("0x7");
    expect(await blocksUntil(100_000)).to.equal(0);
  });

  it("makes a block after each interval, and the node none by itself", async () => {
    expect(await node.request("evm_setIntervalMining", [2_000])).to.equal(true);
    expect(asked).to.deep.equal(["evm_setIntervalMining 0"]);
    expect(await blocksUntil(2_999)).to.equal(0);
    expect(await blocksUntil(3_000)).to.equal(1);
    expect(await blocksUntil(4_999)).to.equal(1);
    expect(await blocksUntil(5_000)).to.equal(2);
  });

  it("is not delayed by the time that a block takes", async () => {
    makingMs = 300;
    await node.request("evm_setIntervalMining", [2_000]);
    for (const [nowMs, blocks] of [
      [3_000, 1],
      [4_999, 1],
      [5_000, 2],
      [6_999, 2],
      [7_000, 3],
    ] as const) {
      expect(await blocksUntil(nowMs)).to.equal(blocks);
    }
  });

  it("leaves out the blocks whose time is over when one that took long is made", async () => {
    makingMs = 5_000;
    await node.request("evm_setIntervalMining", [2_000]);
    expect(await blocksUntil(3_000)).to.equal(1);
    makingMs = 0;
    expect(await blocksUntil(8_999)).to.equal(1);
    expect(await blocksUntil(9_000)).to.equal(2);
  });

  it("takes another interval, or none, from then on", async () => {
    await node.request("evm_setIntervalMining", [2_000]);
    expect(await blocksUntil(3_500)).to.equal(1);
    await node.request("evm_setIntervalMining", [10_000]);
    expect(await blocksUntil(13_499)).to.equal(1);
    expect(await blocksUntil(13_500)).to.equal(2);
    await node.request("evm_setIntervalMining", [0]);
    expect(await blocksUntil(100_000)).to.equal(2);
  });

  it("leaves a range of intervals to the node", async () => {
    await node.request("evm_setIntervalMining", [2_000]);
    await node.request("evm_setIntervalMining", [[1_000, 3_000]]);
    expect(asked.at(-1)).to.equal("evm_setIntervalMining 1000,3000");
    expect(await blocksUntil(100_000)).to.equal(0);
  });

  it("makes none after the chain was reset or has ended", async () => {
    await node.request("evm_setIntervalMining", [2_000]);
    await node.request("hardhat_reset");
    expect(await blocksUntil(10_000)).to.equal(0);
    await node.request("evm_setIntervalMining", [2_000]);
    await node.close();
    expect(await blocksUntil(20_000)).to.equal(0);
    expect(asked.at(-1)).to.equal("close");
  });
});

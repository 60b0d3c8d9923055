import { expect } from "chai";
import { type LocalChain, startLocalChain } from "../../../src/local/index.ts";

/** Code that returns the block's time: TIMESTAMP PUSH0 MSTORE PUSH1 32 PUSH0 RETURN. */
const CLOCK_CODE = "0x425f5260205ff3";
const CLOCK = "0x00000000000000000000000000000000000000ff";

describe("presentable", () => {
  let chain: LocalChain;
  const timeOfCall = async (...rest: unknown[]) => Number(await chain.request("eth_call", [{ to: CLOCK }, ...rest]));
  const timeOfLatest = async () => {
    const block = (await chain.request("eth_getBlockByNumber", ["latest", false])) as { timestamp: string };
    return Number(block.timestamp);
  };

  beforeEach(async () => {
    chain = await startLocalChain();
    await chain.request("hardhat_setCode", [CLOCK, CLOCK_CODE]);
  });
  afterEach(() => chain.stop());

  it("runs calls on an idle chain at the next block's time", async () => {
    await chain.request("evm_increaseTime", [1000]);
    const latest = await timeOfLatest();
    for (const rest of [["latest"], []]) {
      expect((await timeOfCall(...rest)) - latest).to.be.within(1000, 1003);
    }
    const number = await chain.request("eth_blockNumber");
    expect(await timeOfCall(number), "a block by number keeps its own time").to.be.at.most(latest);
    expect(await timeOfLatest(), "no block was made").to.equal(latest);
    expect(Number(await chain.now()) - latest).to.be.within(1000, 1003);
  });

  it("leaves calls on `latest` alone while transactions wait", async () => {
    await chain.request("evm_setAutomine", [false]);
    await chain.request("evm_increaseTime", [1000]);
    expect(await timeOfCall("latest")).to.be.at.most(await timeOfLatest());
    await chain.request("evm_setAutomine", [true]);
    expect((await timeOfCall("latest")) - (await timeOfLatest())).to.be.at.least(1000);
  });

  it("suggests the fees of Base", async () => {
    const priority = BigInt(String(await chain.request("eth_maxPriorityFeePerGas")));
    const price = BigInt(String(await chain.request("eth_gasPrice")));
    expect(priority).to.equal(1_000_000n);
    expect(price >= priority && price <= 10_000_000n, `${price} wei`).to.equal(true);
  });
});

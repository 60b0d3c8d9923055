import { expect } from "chai";
import { readBlockTime } from "../../../src/chain/blockTime.ts";
import type { ChainClient } from "../../../src/chain/client.ts";

/** A chain whose block `n` came at `secondsOf(n)`, as whole seconds. */
function chainOf(newest: bigint, secondsOf: (number: bigint) => number): Pick<ChainClient, "getBlock"> {
  const getBlock = async ({ blockNumber = newest }: { readonly blockNumber?: bigint } = {}) => ({
    number: blockNumber,
    timestamp: BigInt(Math.floor(secondsOf(blockNumber))),
  });
  return { getBlock } as unknown as Pick<ChainClient, "getBlock">;
}

describe("readBlockTime", () => {
  it("averages the time between the last blocks", async () => {
    for (const seconds of [1, 2, 12]) {
      const client = chainOf(1_000n, (number) => Number(number) * seconds);
      expect(await readBlockTime(client)).to.equal(seconds * 1_000);
    }
  });

  it("averages more of them where several blocks have the same second", async () => {
    for (const offset of [0, 0.3, 0.55, 0.9]) {
      const ms = await readBlockTime(chainOf(5_000n, (number) => Number(number) * 0.2 + offset));
      expect(ms, `offset ${offset}`).to.be.within(190, 210);
    }
  });

  it("says nothing of a chain without blocks, with all of them at once, or with very slow ones", async () => {
    for (const client of [
      chainOf(0n, () => 5),
      chainOf(50n, () => 5),
      chainOf(50n, (number) => Number(number) * 60),
      { getBlock: () => Promise.reject(new Error("down")) } as unknown as Pick<ChainClient, "getBlock">,
    ]) {
      expect(await readBlockTime(client)).to.equal(undefined);
    }
  });
});

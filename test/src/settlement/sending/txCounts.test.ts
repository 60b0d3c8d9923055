import { expect } from "chai";
import type { ChainClient } from "../../../../src/chain/client.ts";
import { silentLogger } from "../../../../src/logger.ts";
import { createTxCountWatch, isPlausible, MAX_STRAY } from "../../../../src/settlement/sending/txCounts.ts";

describe("isPlausible", () => {
  const known = { signed: 10, mined: 8, open: 2 };

  it("believes what the journal knows, and a node that is behind", () => {
    expect(isPlausible({ latest: 8, pending: 10 }, known)).to.equal(true);
    expect(isPlausible({ latest: 0, pending: 0 }, known)).to.equal(true);
  });

  it("believes 16 foreign transactions, and not one more", () => {
    expect(isPlausible({ latest: 10 + MAX_STRAY, pending: 10 + MAX_STRAY }, known)).to.equal(true);
    expect(isPlausible({ latest: 11 + MAX_STRAY, pending: 11 + MAX_STRAY }, known)).to.equal(false);
    expect(isPlausible({ latest: 8, pending: 10 + MAX_STRAY }, known)).to.equal(true);
    expect(isPlausible({ latest: 8, pending: 11 + MAX_STRAY }, known)).to.equal(false);
  });

  it("does not believe that signed txNonces are far above what is mined and open", () => {
    expect(isPlausible({ latest: 8, pending: 8 }, { ...known, signed: 10 + MAX_STRAY })).to.equal(true);
    expect(isPlausible({ latest: 8, pending: 8 }, { ...known, signed: 11 + MAX_STRAY })).to.equal(false);
  });

  it("does not believe what is not a count", () => {
    for (const wrong of [-1, 0.5, Number.NaN, 2 ** 60, Number.POSITIVE_INFINITY]) {
      expect(isPlausible({ latest: wrong, pending: 0 }, { ...known, signed: undefined })).to.equal(false);
      expect(isPlausible({ latest: 0, pending: wrong }, known)).to.equal(false);
    }
  });
});

describe("createTxCountWatch, in a new journal", () => {
  const counting = (count: () => Promise<number>): ChainClient => {
    const node: Pick<ChainClient, "getTransactionCount"> = { getTransactionCount: count };
    return { ...node, chain: { id: 84532 } } as ChainClient;
  };
  const at = (count: number) => counting(async () => count);
  const hung = counting(() => new Promise(() => undefined));
  const down = counting(() => Promise.reject(new Error("connection refused")));
  const read = (count: number, others: readonly ChainClient[]) => {
    const client = at(count);
    const journal = { lastTxNonce: async () => undefined };
    const sender = `0x${"11".repeat(20)}` as const;
    return createTxCountWatch({ journal, client, nodes: [client, ...others], sender, logger: silentLogger }).read(0);
  };

  it("believes what one other node confirms, and waits for no node that hangs", async () => {
    expect(await read(40, [hung, at(40 - MAX_STRAY)])).to.include({ latest: 40, pending: 40 });
  });

  it("believes what no other node answers", async () => {
    expect(await read(40, [])).to.include({ latest: 40 });
    expect(await read(40, [down, down])).to.include({ latest: 40 });
  });

  it("does not believe what every node that answers denies", async () => {
    expect(await read(40, [down, at(39 - MAX_STRAY)])).to.equal(undefined);
  });
});

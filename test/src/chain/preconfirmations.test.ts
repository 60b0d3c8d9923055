import { expect } from "chai";
import { createPublicClient, custom } from "viem";
import { mainnet } from "viem/chains";
import { connectChain } from "../../../src/chain/client.ts";
import { hasPreconfirmations } from "../../../src/chain/preconfirmations.ts";
import { type LocalChainOptions, startLocalChain } from "../../../src/local/index.ts";
import { startAnvil } from "../../helpers/anvil.ts";
import { until } from "../../helpers/until.ts";

/** A node that answers from a table; whatever is not in it, it does not know. */
function nodeOf(answers: Readonly<Record<string, unknown>>) {
  const asked: string[] = [];
  const request = async ({ method, params }: { readonly method: string; readonly params?: readonly unknown[] }) => {
    asked.push(method);
    const answer = answers[method === "eth_getBlockByNumber" ? `block ${params?.[0]}` : method];
    if (answer === undefined) throw Object.assign(new Error("the method does not exist"), { code: -32601 });
    return answer;
  };
  const client = createPublicClient({ chain: mainnet, transport: custom({ request }, { retryCount: 0 }) });
  return { client, asked };
}

const hash = (digit: string) => `0x${digit.repeat(64)}`;
const deposit = { hash: hash("1"), type: "0x7e" };
const transfer = { hash: hash("2"), type: "0x2" };
const pending = (...transactions: readonly unknown[]) => ({ number: "0x11", transactions });
/** The newest block, the one ten blocks before it, and the one a hundred before it at the same pace. */
const timed = (newest: number, older: number) => ({
  "block latest": blockOf(0x1000, newest),
  "block 0xff6": blockOf(0xff6, older),
  "block 0xf9c": blockOf(0xf9c, newest - 10 * (newest - older)),
});
const blockOf = (number: number, timestamp: number) => ({
  ...{ number: `0x${number.toString(16)}`, timestamp: `0x${timestamp.toString(16)}`, transactions: [] },
});
const status = { base_transactionStatus: { status: "Unknown" } };

describe("hasPreconfirmations", () => {
  const quick: LocalChainOptions = { blockTimeSeconds: 3600, preconfirmMs: 20 };

  it("finds them on a local chain that has them, idle or busy", async () => {
    const chain = await startLocalChain({ ...quick, bare: false });
    try {
      const client = await connectChain(chain.rpcUrl);
      expect(await hasPreconfirmations(client)).to.equal(true);
      const [account] = chain.accounts;
      const sent = await chain.request("eth_sendTransaction", [{ from: account?.address, to: account?.address }]);
      await until(async () => (await chain.request("eth_getTransactionReceipt", [sent])) !== null);
      expect(await hasPreconfirmations(client)).to.equal(true);
    } finally {
      await chain.stop();
    }
  });

  it("finds none on a local chain and on anvil, whether transactions wait there or not", async () => {
    for (const start of [() => startLocalChain({ blockTimeSeconds: 3600 }), () => startAnvil()]) {
      const chain = await start();
      try {
        const client = await connectChain(chain.rpcUrl);
        expect(await hasPreconfirmations(client)).to.equal(false);
        const [account] = chain.accounts;
        await chain.request("eth_sendTransaction", [{ from: account?.address, to: account?.address }]);
        expect(await hasPreconfirmations(client)).to.equal(false);
      } finally {
        await chain.stop();
      }
    }
  });

  it("finds a receipt of the pending block beyond the chain's own transactions", async () => {
    const node = { eth_blockNumber: "0x10", eth_getTransactionReceipt: { blockNumber: "0x11" } };
    expect(await hasPreconfirmations(nodeOf({ ...node, "block pending": pending(deposit, transfer) }).client)).to.equal(
      true,
    );
  });

  it("does not take a receipt for one if the block came meanwhile", async () => {
    const node = { eth_blockNumber: "0x10", eth_getTransactionReceipt: { blockNumber: "0x10" } };
    const { client, asked } = nodeOf({ ...node, "block pending": pending(deposit, transfer) });
    expect(await hasPreconfirmations(client)).to.equal(undefined);
    expect(asked.filter((method) => method === "eth_getTransactionReceipt")).to.have.length(4);
  });

  it("cannot tell while only the chain itself has transactions", async () => {
    const node = { eth_blockNumber: "0x10", "block pending": pending(deposit) };
    expect(await hasPreconfirmations(nodeOf(node).client)).to.equal(undefined);
  });

  it("believes base_transactionStatus only if blocks are slow", async () => {
    const node = {
      ...status,
      eth_blockNumber: "0x10",
      "block pending": pending(deposit, { ...deposit, hash: hash("3") }),
    };
    expect(await hasPreconfirmations(nodeOf({ ...node, ...timed(1020, 1000) }).client), "every 2 s").to.equal(true);
    expect(await hasPreconfirmations(nodeOf({ ...node, ...timed(1002, 1000) }).client), "every 200 ms").to.equal(
      undefined,
    );
  });

  it("says no if the pending block is the newest one, or there is none", async () => {
    const old = { ...pending(deposit, transfer), number: "0x10" };
    for (const block of [old, null, { ...old, number: null }]) {
      const node = { ...status, ...timed(1020, 1000), eth_blockNumber: "0x10", "block pending": block };
      expect(await hasPreconfirmations(nodeOf(node).client), JSON.stringify(block)).to.equal(false);
    }
  });

  it("cannot tell of a node that does not answer", async () => {
    expect(await hasPreconfirmations(nodeOf({}).client)).to.equal(undefined);
  });
});

import { expect } from "chai";
import { encodeFunctionData, type Hex, multicall3Abi, numberToHex } from "viem";
import { encodeTransfer } from "../../src/authorization/encode.ts";
import { encodeSettle } from "../../src/router/index.ts";
import { type ChainLab, freshAddress, openChainLab } from "../helpers/chainLab.ts";
import { runCli } from "../helpers/cli.ts";

const BATCH_ID: Hex = `0x${"ab".repeat(32)}`;

describe("inspect", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  const inspect = (hash: unknown, args: readonly string[] = []) =>
    runCli(["inspect", String(hash), "--rpc-url", lab.chain.rpcUrl, ...args]);

  async function sendCall(to: string, data: Hex, gas = 2_000_000): Promise<unknown> {
    return lab.chain.request("eth_sendTransaction", [{ from: lab.keyOf(9).address, to, data, gas: numberToHex(gas) }]);
  }

  /** A batch of three, of which the second asks for another value than was signed. */
  async function mixedBatch(payee: `0x${string}`): Promise<Hex> {
    const payments = await lab.pay(3, payee);
    const items = payments.map(({ authorization }, index) => {
      const changed = index === 1 ? { ...authorization, value: 7n } : authorization;
      return { form: "compact", authorization: changed } as const;
    });
    return encodeSettle({ token: lab.chain.usdc, batchId: BATCH_ID, gasAllowance: 100_000n, items });
  }

  it("shows what a batch carried and what became of each item", async () => {
    const payee = freshAddress(1);
    const hash = await sendCall(lab.router, await mixedBatch(payee));
    const { code, stdout } = await inspect(hash);
    expect(code).to.equal(0);
    expect(stdout).to.include("2 settled, 1 failed").and.include(`batch ${BATCH_ID}`);
    expect(stdout).to.include(`sender       ${lab.keyOf(9).address}`);
    expect(stdout).to.match(/1 {2}0x\w+ +0x\w+ +0\.000007 +0x\w{8}… +\d+ +bad-signature: \S+/);

    const json = JSON.parse((await inspect(hash, ["--json"])).stdout);
    expect(json).to.deep.include({ status: "settlement", settled: 2, failed: 1, notAttempted: 0, succeeded: true });
    const [batch] = json.batches;
    expect(batch).to.deep.include({ via: "router", batchId: BATCH_ID, caller: lab.keyOf(9).address });
    expect(batch.items.map((item: { value: string }) => item.value)).to.deep.equal(["1000", "7", "1002"]);
    const shares: bigint[] = batch.items.map((item: { gasShare: string }) => BigInt(item.gasShare));
    expect(shares.reduce((sum, share) => sum + share, 0n)).to.equal(BigInt(json.gasUsed));
  });

  it("reads a batch that another contract sent from the logs alone", async () => {
    const payee = freshAddress(2);
    const call = { target: lab.router, allowFailure: false, callData: await mixedBatch(payee) };
    const data = encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [[call]] });
    const hash = await sendCall(lab.chain.multicall3, data);
    const json = JSON.parse((await inspect(hash, ["--json"])).stdout);
    const [batch] = json.batches;
    expect(batch).to.deep.include({ via: "router-logs", batchId: BATCH_ID, caller: lab.chain.multicall3 });
    const items: { index: number; value?: string; outcome: { status: string } }[] = batch.items;
    expect(items.map(({ index, value, outcome }) => [index, value, outcome.status])).to.deep.equal([
      [0, "1000", "settled"],
      [1, undefined, "failed"],
      [2, "1002", "settled"],
    ]);
    expect((await inspect(hash)).stdout)
      .to.include("read from logs alone")
      .and.include("(not in the logs)");
  });

  it("shows a transfer that went to the token directly", async () => {
    const [payment] = await lab.pay(1, freshAddress(3));
    const hash = await sendCall(lab.chain.usdc, encodeTransfer(payment!.authorization));
    const { code, stdout } = await inspect(hash);
    expect(code).to.equal(0);
    expect(stdout).to.include("1 settled, 0 failed").and.include("sent to the token directly");
    const again = await inspect(await sendCall(lab.chain.usdc, encodeTransfer(payment!.authorization)));
    expect(again.stdout).to.include("the whole transaction reverted; nothing moved");
  });

  it("shows what went through another contract than the router", async () => {
    const payments = await lab.pay(2, freshAddress(4));
    const calls = payments.map(({ authorization }) => {
      return { target: lab.chain.usdc, allowFailure: true, callData: encodeTransfer(authorization) };
    });
    const data = encodeFunctionData({ abi: multicall3Abi, functionName: "aggregate3", args: [calls] });
    const { stdout } = await inspect(await sendCall(lab.chain.multicall3, data));
    expect(stdout).to.include("2 settled, 0 failed").and.include("without the router");
  });

  it("says that a transaction settled nothing, with exit code 2", async () => {
    const { code, stderr } = await inspect(await sendCall(lab.keyOf(3).address, "0x"));
    expect(code).to.equal(2);
    expect(stderr)
      .to.include("settled no authorization")
      .and.include(`It called ${lab.keyOf(3).address}`);
  });

  it("says that the node does not know a hash, with exit code 2", async () => {
    const { code, stderr } = await inspect(BATCH_ID);
    expect(code).to.equal(2);
    expect(stderr).to.include(`The node does not know the transaction ${BATCH_ID}.`);
  });

  it("says that a transaction waits for its block, with exit code 4", async () => {
    await lab.chain.request("evm_setAutomine", [false]);
    try {
      const [payment] = await lab.pay(1, freshAddress(5));
      const hash = await sendCall(lab.chain.usdc, encodeTransfer(payment!.authorization));
      const { code, stderr } = await inspect(hash);
      expect(code).to.equal(4);
      expect(stderr)
        .to.include("is not mined yet")
        .and.include(`of ${lab.keyOf(9).address}`);
    } finally {
      await lab.chain.request("evm_mine");
      await lab.chain.request("evm_setAutomine", [true]);
    }
  });

  it("refuses what is not a hash", async () => {
    const { code, stderr } = await inspect("0x1234");
    expect(code).to.equal(2);
    expect(stderr).to.include("Write a transaction hash: 0x and 64 hex digits.");
  });
});

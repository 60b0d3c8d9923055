import { expect } from "chai";
import { parseGwei } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { type BroadcastAnswer, broadcastToAll } from "../../../../src/chain/sending/broadcast.ts";
import { findReceipt, nextTxNonce, signTransaction } from "../../../../src/chain/sending/submit.ts";
import { type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../../helpers/chainLab.ts";

const fees = { maxFeePerGas: parseGwei("2"), maxPriorityFeePerGas: parseGwei("0.001") };

describe("submit", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab({ blockTimeSeconds: 3600 });
  });
  after(() => lab.chain.stop());

  const sign = (txNonce: number, change: { gas?: bigint; fees?: typeof fees; key?: `0x${string}` } = {}) =>
    signTransaction(lab.client, change.key === undefined ? lab.account : privateKeyToAccount(change.key), {
      to: freshAddress(1),
      data: "0x",
      gas: 21_000n,
      txNonce,
      fees,
      ...change,
    });

  it("signs what a node takes, counts it while it waits, and finds its receipt once it is mined", async () => {
    const txNonce = await nextTxNonce(lab.client, lab.account.address);
    const transaction = await sign(txNonce);
    expect(await broadcastToAll([lab.client], transaction.raw)).to.equal("accepted");
    expect(await nextTxNonce(lab.client, lab.account.address)).to.equal(txNonce + 1);
    expect(await findReceipt(lab.client, transaction.hash)).to.equal(undefined);
    // The second time is not an error: the node has it.
    expect(await broadcastToAll([lab.client], transaction.raw)).to.equal("already-known");
    await lab.chain.request("evm_mine");
    expect((await findReceipt(lab.client, transaction.hash))?.transactionHash).to.equal(transaction.hash);
  });

  const refusals: readonly (readonly [string, Parameters<typeof sign>[1], BroadcastAnswer])[] = [
    ["without ether", { key: `0x${"43".repeat(32)}` }, "insufficient-funds"],
    ["above the cap on gas", { gas: 2n ** 24n + 1n }, "invalid"],
    ["below its own cost", { gas: 20_000n }, "invalid"],
  ];
  for (const [name, change, answer] of refusals) {
    it(`is refused for certain ${name}: ${answer}`, async () => {
      const address = change?.key === undefined ? lab.account.address : privateKeyToAccount(change.key).address;
      const transaction = await sign(await nextTxNonce(lab.client, address), change);
      expect(await broadcastToAll([lab.client], transaction.raw)).to.equal(answer);
    });
  }

  it("treats a lost answer as a transaction that may be sent", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_sendRawTransaction" ? "hang-up" : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const transaction = await sign(await nextTxNonce(lab.client, lab.account.address));
    expect(await broadcastToAll([client], transaction.raw)).to.equal("indeterminate");
    await node.stop();
  });

  it("does not believe another transaction's receipt", async () => {
    const txNonce = await nextTxNonce(lab.client, lab.account.address);
    const transaction = await sign(txNonce);
    await broadcastToAll([lab.client], transaction.raw);
    await lab.chain.request("evm_mine");
    const receipt = await lab.chain.request("eth_getTransactionReceipt", [transaction.hash]);
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getTransactionReceipt" ? { result: receipt } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const other = await sign(txNonce + 1);
    const error = await findReceipt(client, other.hash).catch((caught: unknown) => caught);
    await node.stop();
    expect(error).to.be.instanceOf(ChainUnavailableError);
    expect(error).to.have.property("message").that.includes(other.hash);
  });
});

import { expect } from "chai";
import { parseGwei } from "viem";
import { privateKeyToAccount } from "viem/accounts";
import { connectChain } from "../../../src/chain/client.ts";
import { ChainUnavailableError, TransactionRefusedError } from "../../../src/chain/errors.ts";
import { awaitInclusion, broadcast, findInclusion, nextTxNonce, signTransaction } from "../../../src/chain/submit.ts";
import { type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../helpers/chainLab.ts";

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

  it("follows a transaction from unknown to mined", async () => {
    const txNonce = await nextTxNonce(lab.client, lab.account.address);
    const transaction = await sign(txNonce);
    expect(await findInclusion(lab.client, transaction)).to.deep.equal({ status: "unknown" });
    await broadcast(lab.client, transaction);
    expect(await nextTxNonce(lab.client, lab.account.address)).to.equal(txNonce + 1);
    expect(await awaitInclusion(lab.client, transaction, { timeoutMs: 50 })).to.deep.equal({ status: "unknown" });
    // A second time is no error: the node has it.
    await broadcast(lab.client, transaction);
    const mined = awaitInclusion(lab.client, transaction, { timeoutMs: 5_000 });
    await lab.chain.request("evm_mine");
    const inclusion = await mined;
    expect(inclusion.status).to.equal("mined");
    if (inclusion.status === "mined") expect(inclusion.receipt.transactionHash).to.equal(transaction.hash);
  });

  it("knows that a transaction can never be mined once another took its txNonce", async () => {
    const txNonce = await nextTxNonce(lab.client, lab.account.address);
    const first = await sign(txNonce);
    const second = await sign(txNonce, { gas: 22_000n });
    await broadcast(lab.client, second);
    await lab.chain.request("evm_mine");
    expect(await findInclusion(lab.client, first)).to.deep.equal({ status: "replaced" });
  });

  const refusals: readonly (readonly [string, Parameters<typeof sign>[1], string])[] = [
    ["without ether", { key: `0x${"43".repeat(32)}` }, "The sender cannot pay for the transaction's gas."],
    ["above the cap on gas", { gas: 2n ** 24n + 1n }, "The transaction's gas limit is more than this chain allows."],
    ["below its own cost", { gas: 20_000n }, "The transaction's gas limit is more than this chain allows."],
  ];
  for (const [name, change, message] of refusals) {
    it(`says that a transaction ${name} was refused for certain`, async () => {
      const address = change?.key === undefined ? lab.account.address : privateKeyToAccount(change.key).address;
      const transaction = await sign(await nextTxNonce(lab.client, address), change);
      const error = await broadcast(lab.client, transaction).catch((caught: unknown) => caught);
      expect(error).to.be.instanceOf(TransactionRefusedError);
      expect(error).to.have.property("shortMessage", message);
      // viem's errors hold the URL.
      expect((error as Error).cause).to.equal(undefined);
    });
  }

  it("takes a lost answer for a transaction that is out", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_sendRawTransaction" ? "hang-up" : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const transaction = await sign(await nextTxNonce(lab.client, lab.account.address));
    expect(await broadcast(client, transaction)).to.equal(undefined);
    await node.stop();
  });

  it("does not believe another transaction's receipt", async () => {
    const txNonce = await nextTxNonce(lab.client, lab.account.address);
    const transaction = await sign(txNonce);
    await broadcast(lab.client, transaction);
    await lab.chain.request("evm_mine");
    const receipt = await lab.chain.request("eth_getTransactionReceipt", [transaction.hash]);
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getTransactionReceipt" ? { result: receipt } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const other = await sign(txNonce + 1);
    const error = await findInclusion(client, other).catch((caught: unknown) => caught);
    await node.stop();
    expect(error).to.be.instanceOf(ChainUnavailableError);
    expect(error).to.have.property("message").that.includes(other.hash);
  });
});

import { expect } from "chai";
import { encodeFunctionResult, isHex, parseAbi, toFunctionSelector } from "viem";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { GAS_PRICE_ORACLE_ADDRESS, readDataFeeInputs } from "../../../../src/chain/fees/dataFee.ts";
import { readGasPrice, readMarket, suggestFees } from "../../../../src/chain/fees/fees.ts";
import { signTransaction } from "../../../../src/chain/sending/submit.ts";
import { type ChainLab, openChainLab, startFaultyNode } from "../../../helpers/chainLab.ts";

describe("fees", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("leaves room for the base fee to double", async () => {
    const { baseFeePerGas, maxFeePerGas, maxPriorityFeePerGas } = await suggestFees(lab.client);
    expect(maxPriorityFeePerGas).to.equal(1_000_000n);
    expect(maxFeePerGas).to.equal(2n * baseFeePerGas + maxPriorityFeePerGas);
    expect(await readGasPrice(lab.client)).to.equal(baseFeePerGas + maxPriorityFeePerGas);
  });

  it("takes what recent blocks paid if the node suggests a higher tip", async () => {
    const lying = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_maxPriorityFeePerGas" ? { result: "0x14f46b0400" } : "pass",
    );
    const client = await connectChain(lying.rpcUrl, { transport: { retryCount: 0 } });
    try {
      expect((await readMarket(client)).tip).to.equal(90_000_000_000n);
      const tip = 2_000_000n;
      const fees = { maxFeePerGas: 1_000_000_000n, maxPriorityFeePerGas: tip };
      const call = { to: lab.account.address, data: "0x", gas: 21_000n, fees } as const;
      for (let i = 0; i < 6; i += 1) {
        const txNonce = await lab.transactionCount();
        const { raw } = await signTransaction(lab.client, lab.account, { ...call, txNonce });
        await lab.client.sendRawTransaction({ serializedTransaction: raw });
      }
      expect((await readMarket(client)).tip).to.equal(tip);
      expect((await readMarket(lab.client)).tip).to.equal(1_000_000n);
    } finally {
      await lying.stop();
    }
  });

  it("offers no more than is usual on the chain, whatever the node says about prices", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_maxPriorityFeePerGas" || method === "eth_gasPrice"
        ? { result: "0x14f46b0400" }
        : method === "eth_feeHistory"
          ? { error: { code: -32601, message: "no such method" } }
          : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const { maxFeePerGas, maxPriorityFeePerGas } = await suggestFees(client);
    await node.stop();
    expect(maxPriorityFeePerGas).to.equal(500_000_000n);
    expect(maxFeePerGas <= 5_000_000_000n).to.equal(true);
  });

  it("offers a small tip if the node suggests none", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_maxPriorityFeePerGas" || method === "eth_gasPrice"
        ? { error: { code: -32601, message: "no such method" } }
        : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const { maxPriorityFeePerGas } = await suggestFees(client);
    await node.stop();
    expect(maxPriorityFeePerGas).to.equal(1_000_000n);
  });

  it("knows nothing if the node does not answer", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getBlockByNumber" ? { error: { code: -32000, message: "busy" } } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const error = await suggestFees(client).catch((caught: unknown) => caught);
    await node.stop();
    expect(error).to.be.instanceOf(ChainUnavailableError);
    expect(error).to.have.property("shortMessage", "The node did not return the price of gas.");
  });
});

describe("readDataFeeInputs", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("finds no data fee if there is no oracle", async () => {
    expect(await readDataFeeInputs(lab.client)).to.equal(undefined);
  });

  it("reads the oracle's parameters", async () => {
    const abi = parseAbi(["function f() view returns (uint256)"]);
    const names = ["l1BaseFee", "blobBaseFee", "baseFeeScalar", "blobBaseFeeScalar"];
    const values = new Map(names.map((name, index) => [toFunctionSelector(`${name}()`), 11n * BigInt(index + 1)]));
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method, params: [first] }) => {
      if (method === "eth_getCode") return { result: "0x00" };
      if (method !== "eth_call" || typeof first !== "object" || first === null) return "pass";
      const { to, data }: { to?: unknown; data?: unknown } = first;
      const value = to === GAS_PRICE_ORACLE_ADDRESS && isHex(data) ? values.get(data) : undefined;
      return value === undefined ? "pass" : { result: encodeFunctionResult({ abi, result: value }) };
    });
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const inputs = await readDataFeeInputs(client);
    await node.stop();
    expect(inputs).to.deep.equal({ l1BaseFee: 11n, blobBaseFee: 22n, baseFeeScalar: 33n, blobBaseFeeScalar: 44n });
  });
});

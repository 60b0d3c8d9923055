import { expect } from "chai";
import { encodeFunctionData, erc20Abi, type Hex } from "viem";
import { type LocalChain, startLocalChain } from "../../../../src/local/index.ts";
import { openSocket } from "../../../helpers/socketClient.ts";
import { until } from "../../../helpers/until.ts";

type Told = { readonly params: { readonly subscription: string; readonly result: unknown } };

describe("notifications of a chain that preconfirms", () => {
  let chain: LocalChain;
  let socket: Awaited<ReturnType<typeof openSocket>>;
  beforeEach(async () => {
    chain = await startLocalChain({ blockTimeSeconds: 3600, preconfirmMs: 20 });
    socket = await openSocket(chain.webSocketUrl);
  });
  afterEach(() => chain.stop());

  const call = async (method: string, ...params: unknown[]): Promise<unknown> => {
    socket.send({ jsonrpc: "2.0", id: 1, method, params });
    const answer = await socket.next();
    return answer;
  };
  const subscribe = async (...params: unknown[]): Promise<string> => {
    const { result } = (await call("eth_subscribe", ...params)) as { result: string };
    return result;
  };
  const told = async () => ((await socket.next()) as Told).params;
  const send = (index: number): Promise<unknown> => {
    const data = encodeFunctionData({ abi: erc20Abi, functionName: "transfer", args: [chain.router, BigInt(index)] });
    return chain.request("eth_sendTransaction", [
      { from: chain.accounts[index]?.address, to: chain.usdc, data, gas: "0x20000" },
    ]);
  };
  const preconfirmed = (hash: unknown) =>
    until(async () => (await chain.request("eth_getTransactionReceipt", [hash])) !== null);

  it("tells each preconfirmed transaction's hash once", async () => {
    const subscription = await subscribe("newFlashblockTransactions");
    const [one, two] = [await send(1), await send(2)];
    expect([await told(), await told()]).to.deep.equal([
      { subscription, result: one },
      { subscription, result: two },
    ]);
    await chain.request("evm_mine");
    const three = await send(1);
    expect(await told(), "nothing is told twice").to.deep.equal({ subscription, result: three });
    expect(await call("eth_unsubscribe", subscription)).to.have.property("result", true);
    expect(await call("eth_unsubscribe", subscription)).to.have.property("result", false);
    await preconfirmed(await send(2));
    expect(await call("eth_chainId")).to.have.property("result", "0x14a34");
  });

  it("tells the transaction with its receipt's fields and logs if asked to", async () => {
    const subscription = await subscribe("newFlashblockTransactions", true);
    const hash = await send(1);
    const { result, ...rest } = await told();
    expect(rest).to.deep.equal({ subscription });
    const receipt = (await chain.request("eth_getTransactionReceipt", [hash])) as Record<string, unknown>;
    const { status, gasUsed, cumulativeGasUsed, contractAddress, logs, logsBloom, blockNumber, blockHash } = receipt;
    expect(logs).to.have.length(1);
    expect(result).to.deep.include({ status, gasUsed, cumulativeGasUsed, contractAddress, logs, logsBloom });
    expect(result).to.deep.include({ hash, blockNumber, blockHash, to: chain.usdc.toLowerCase() });
  });

  it("refuses another second parameter", async () => {
    const { error } = (await call("eth_subscribe", "newFlashblockTransactions", {})) as { error: object };
    expect(error).to.deep.equal({
      code: -32602,
      message: "newFlashblockTransactions takes true, false or nothing.",
    });
  });

  it("tells of real blocks and their logs only, once each", async () => {
    const heads = await subscribe("newHeads");
    const logs = await subscribe("logs", {});
    const blockFilter = await chain.request("eth_newBlockFilter");
    const logFilter = await chain.request("eth_newFilter", [{ address: chain.usdc }]);
    // A new filter of this node begins with the newest block.
    for (const filter of [blockFilter, logFilter]) await chain.request("eth_getFilterChanges", [filter]);
    const messages: { readonly subscription: string; readonly blockHash: unknown }[] = [];
    const hashes: unknown[] = [];
    for (let round = 0; round < 3; round += 1) {
      for (const index of [1, 2]) await preconfirmed(await send(index));
      await chain.request("evm_mine");
      const { hash } = (await chain.request("eth_getBlockByNumber", ["latest", false])) as { hash: Hex };
      hashes.push(hash);
      for (let count = 0; count < 3; count += 1) {
        const { subscription, result } = await told();
        const { hash: ownHash, blockHash = ownHash } = result as { hash?: Hex; blockHash?: Hex };
        messages.push({ subscription, blockHash });
      }
    }
    const of = (subscription: string) => messages.filter((one) => one.subscription === subscription);
    expect(of(heads).map(({ blockHash }) => blockHash)).to.deep.equal(hashes);
    expect(of(logs).map(({ blockHash }) => blockHash)).to.deep.equal(hashes.flatMap((hash) => [hash, hash]));
    expect(await chain.request("eth_getFilterChanges", [blockFilter])).to.deep.equal(hashes);
    const changes = (await chain.request("eth_getFilterChanges", [logFilter])) as { blockHash: Hex }[];
    expect(changes.map(({ blockHash }) => blockHash)).to.deep.equal(hashes.flatMap((hash) => [hash, hash]));
    expect(await call("eth_chainId"), "nothing else was told").to.have.property("result", "0x14a34");
  });
});

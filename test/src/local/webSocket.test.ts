import { expect } from "chai";
import { type LocalChain, startLocalChain } from "../../../src/local/index.ts";
import { openSocket } from "../../helpers/socketClient.ts";

describe("serveWebSocket", () => {
  let chain: LocalChain;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  it("answers requests and batches", async () => {
    const socket = await openSocket(chain.webSocketUrl);
    socket.send({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] });
    expect(await socket.next()).to.deep.equal({ jsonrpc: "2.0", id: 1, result: "0x14a34" });
    socket.send([{ jsonrpc: "2.0", id: 2, method: "net_version", params: [] }]);
    expect(await socket.next()).to.deep.equal([{ jsonrpc: "2.0", id: 2, result: "84532" }]);
    socket.close();
  });

  it("sends eth_subscribe notifications to the subscriber and nobody else", async () => {
    const [subscriber, other] = await Promise.all([openSocket(chain.webSocketUrl), openSocket(chain.webSocketUrl)]);
    subscriber.send({ jsonrpc: "2.0", id: 1, method: "eth_subscribe", params: ["newHeads"] });
    const { result: subscription } = (await subscriber.next()) as { result: string };
    await chain.request("evm_mine");
    const number = await chain.request("eth_blockNumber");
    const seen = await subscriber.next();
    expect(seen).to.have.property("method", "eth_subscription");
    expect(seen).to.have.nested.property("params.subscription", subscription);
    expect(seen).to.have.nested.property("params.result.number", number);

    other.send({ jsonrpc: "2.0", id: 9, method: "eth_chainId", params: [] });
    expect(await other.next()).to.have.property("id", 9);
    subscriber.close();
    other.close();
  });

  it("is dropped by stop()", async () => {
    const short = await startLocalChain();
    const socket = await openSocket(short.webSocketUrl);
    await short.stop();
    expect(await socket.closed).to.equal(true);
  });
});

import { expect } from "chai";
import { authorizationId } from "../../../../src/authorization/identity.ts";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainMismatchError, ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { hasCode, readFacts, readHead } from "../../../../src/chain/facts/facts.ts";
import { type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../../helpers/chainLab.ts";

describe("readFacts", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("reads balances, code and used nonces of all parties", async () => {
    const payee = freshAddress(1);
    const wallet = await lab.payerWithCode(5, "0x00");
    const payments = (await lab.pay(3, payee)).map(({ authorization }) => authorization);
    const smart = await lab.chain.sign(wallet, { to: payee, value: 1n });
    await lab.chain.settle(payments.slice(0, 1));
    const facts = await readFacts(lab.client, lab.chain.usdc, [...payments, smart]);
    expect([...facts.used]).to.deep.equal([authorizationId(payments[0]!)]);
    expect([...facts.withCode]).to.deep.equal([wallet.address.toLowerCase()]);
    expect(facts.balances.get(payee)).to.equal(1000n);
    expect(facts.balances.get(wallet.address.toLowerCase())).to.equal(1_000_000n);
    expect(facts.balances.size).to.equal(5);
  });

  it("reads more than fit into one call", async () => {
    const [payment] = (await lab.pay(1, freshAddress(2))).map(({ authorization }) => authorization);
    const many = Array.from({ length: 1_700 }, (_, index) => ({ ...payment!, to: freshAddress(1000 + index) }));
    const { balances } = await readFacts(lab.client, lab.chain.usdc, many);
    expect(balances.size).to.equal(1_701);
    expect(balances.get(freshAddress(2699))).to.equal(0n);
  });

  for (const [name, token] of [
    ["an address without code", freshAddress(3)],
    ["a contract that is not such a token", undefined],
  ] as const) {
    it(`refuses ${name}`, async () => {
      const payments = (await lab.pay(1, freshAddress(4))).map(({ authorization }) => authorization);
      const at = token ?? lab.chain.multicall3;
      const error = await readFacts(lab.client, at, payments).catch((caught: unknown) => caught);
      expect(error).to.be.instanceOf(ChainMismatchError);
      expect(error).to.have.property("message").that.includes(at);
    });
  }

  it("tells a node that fails from a token that refuses", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_call" ? { error: { code: -32005, message: "too many requests" } } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const payments = (await lab.pay(1, freshAddress(5))).map(({ authorization }) => authorization);
    const error = await readFacts(client, lab.chain.usdc, payments).catch((caught: unknown) => caught);
    await node.stop();
    expect(error).to.be.instanceOf(ChainUnavailableError);
    expect(error).to.have.property("details", "It answered: too many requests");
  });

  it("reads head and code", async () => {
    const head = await readHead(lab.client);
    expect(head.gasLimit).to.equal(120_000_000n);
    expect(head.number).to.equal(await lab.client.getBlockNumber());
    expect(await hasCode(lab.client, lab.chain.usdc)).to.equal(true);
    expect(await hasCode(lab.client, freshAddress(6))).to.equal(false);
  });
});

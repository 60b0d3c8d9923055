import { expect } from "chai";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { quoteSettlement } from "../../../../src/settlement/index.ts";
import {
  type ChainLab,
  freshAddress,
  openChainLab,
  startDataFeeNode,
  startFaultyNode,
} from "../../../helpers/chainLab.ts";

const etherMicroUsd = 3_000_000_000n;

describe("quoteSettlement", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("quotes every payment in a batch or excludes it with its reason", async () => {
    const good = await lab.pay(5, freshAddress(1));
    const drained = await lab.chain.sign(lab.keyOf(15), { to: freshAddress(1), value: 5n });
    const elsewhere = { ...drained, chainId: 8453 };
    const extra = [drained, elsewhere].map((authorization, index) => ({ line: index + 6, authorization }));
    const seen: number[] = [];
    const quote = await quoteSettlement(lab.client, {
      payments: [...good, ...extra],
      etherMicroUsd,
      onProgress: (done) => seen.push(done),
    });
    expect(quote).to.deep.include({ payments: 5, value: 5010n, routerUsed: true, dataFeeInputs: undefined });
    expect(quote.batches).to.have.lengthOf(1);
    expect(quote.batches[0]).to.deep.include({ kind: "router", payments: 5, payers: 5, payees: 1, value: 5010n });
    expect(quote.excluded.map(({ line }) => line)).to.deep.equal([6, 7]);
    expect(quote.oneByOne?.transactions).to.equal(5);
    expect(seen.at(-1)).to.be.at.least(6);
  });

  it("adds the data fee of an OP-stack chain, more of it one by one", async () => {
    const node = await startDataFeeNode(lab.chain.rpcUrl);
    const client = await connectChain(node.rpcUrl);
    const quote = await quoteSettlement(client, {
      payments: await lab.pay(20, freshAddress(2)),
      etherMicroUsd,
      gasPriceWei: 5n,
    });
    await node.stop();
    const data = quote.total?.price.dataWei ?? 0n;
    expect(data > 0n).to.equal(true);
    expect(quote.total?.price.totalWei).to.equal((quote.total?.gas ?? 0n) * 5n + data);
    expect((quote.oneByOne?.price.dataWei ?? 0n) > data).to.equal(true);
  });

  it("has no total if nothing can settle", async () => {
    const authorization = await lab.chain.sign(lab.keyOf(15), { to: freshAddress(3), value: 5n });
    const quote = await quoteSettlement(lab.client, { payments: [{ line: 1, authorization }], etherMicroUsd });
    expect(quote).to.deep.include({ payments: 0, total: undefined, oneByOne: undefined, belowCost: 0 });
  });

  it("plans a payment although a forged one with its nonce comes first", async () => {
    const [genuine] = await lab.pay(1, freshAddress(5));
    const { authorization } = genuine!;
    const forged = { ...authorization, value: authorization.value + 1n };
    const copies = [forged, authorization, authorization].map((one, i) => ({ line: i + 1, authorization: one }));
    const quote = await quoteSettlement(lab.client, { payments: copies, etherMicroUsd });
    expect(quote).to.deep.include({ payments: 1, value: authorization.value });
    const why = quote.excluded.map(({ line, outcome }) => [line, "reason" in outcome && outcome.reason]);
    expect(why).to.deep.equal([
      [1, "bad-signature"],
      [3, "duplicate"],
    ]);
  });

  it("fails if the node does", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getBlockByNumber" ? { error: { code: -32000, message: "busy" } } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const payments = await lab.pay(1, freshAddress(4));
    const error = await quoteSettlement(client, { payments, etherMicroUsd }).catch((caught: unknown) => caught);
    await node.stop();
    expect(error).to.be.instanceOf(ChainUnavailableError);
  });
});

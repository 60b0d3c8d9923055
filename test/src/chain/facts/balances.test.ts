import { expect } from "chai";
import { readBalances } from "../../../../src/chain/facts/balances.ts";
import { type ChainLab, freshAddress, openChainLab } from "../../../helpers/chainLab.ts";

describe("readBalances", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("reads more than fit into one call, in the order of the owners", async () => {
    const owners = Array.from({ length: 800 }, (_, index) => freshAddress(10_000 + index));
    await lab.chain.fund(owners[0]!, 7n);
    await lab.chain.fund(owners[399]!, 8n);
    await lab.chain.fund(owners[799]!, 9n);
    const amounts = await readBalances(lab.client, lab.chain.usdc, owners);
    expect(amounts).to.have.length(800);
    expect([amounts[0], amounts[399], amounts[799]]).to.deep.equal([7n, 8n, 9n]);
    expect(amounts.reduce((sum, amount) => sum + amount, 0n)).to.equal(24n);
  });

  it("reads nothing for nobody", async () => {
    expect(await readBalances(lab.client, lab.chain.usdc, [])).to.deep.equal([]);
  });
});

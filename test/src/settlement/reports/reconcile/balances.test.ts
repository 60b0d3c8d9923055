import { expect } from "chai";
import { readBalancesAround } from "../../../../../src/settlement/reports/reconcile/balances.ts";
import { freshAddress, openChainLab } from "../../../../helpers/chainLab.ts";

describe("readBalancesAround", () => {
  let lab: Awaited<ReturnType<typeof openChainLab>>;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  it("reads more accounts than one call can answer for, before and after", async () => {
    const accounts = Array.from({ length: 400 }, (_, i) => freshAddress(9_000 + i));
    const [first, last] = [accounts[0]!, accounts.at(-1)!];
    await lab.chain.fund(first, 5n);
    const from = (await lab.client.getBlockNumber()) + 1n;
    await lab.chain.fund(last, 7n);
    const range = { from, to: await lab.client.getBlockNumber() };
    const balances = await readBalancesAround(lab.client, lab.chain.usdc, range, accounts);
    expect(balances?.size).to.equal(400);
    const found = [...balances!.values()];
    expect([found[0], found[1], found.at(-1)]).to.deep.equal([
      { before: 5n, after: 5n },
      { before: 0n, after: 0n },
      { before: 0n, after: 7n },
    ]);
  });
});

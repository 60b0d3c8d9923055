import { expect } from "chai";
import { startLocalChain } from "../../../src/local/index.ts";

const PAYEE = "0x00000000000000000000000000000000000000AA";

describe("LocalChain.settle", () => {
  for (const bare of [false, true]) {
    it(`settles signed payments ${bare ? "one by one without the router" : "in one batch"}`, async () => {
      const chain = await startLocalChain({ bare });
      try {
        const payers = chain.accounts.slice(1, 4);
        const signed = await Promise.all(payers.map((payer) => chain.sign(payer, { to: PAYEE, value: 5n })));
        const { results, transactions, stopped } = await chain.settle(signed);
        expect(stopped).to.equal(undefined);
        expect(results.map(({ authorization, outcome }) => [authorization, outcome.status])).to.deep.equal(
          signed.map((one) => [one, "settled"]),
        );
        expect(transactions.map(({ kind }) => kind)).to.deep.equal(bare ? ["direct", "direct", "direct"] : ["router"]);
      } finally {
        await chain.stop();
      }
    });
  }
});

import { expect } from "chai";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { preflightAuthorization, preflightBatch } from "../../../../src/chain/sending/preflight.ts";
import { encodeSettle } from "../../../../src/router/index.ts";
import { BURNING_CODE, type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../../helpers/chainLab.ts";

const BATCH_ID = `0x${"cd".repeat(32)}` as const;

describe("pre-flight", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  async function call(count: number, spoil: readonly number[], gas = 3_000_000n) {
    const payments = await lab.pay(count, freshAddress(1));
    const items = payments.map(({ authorization }, index) => {
      const changed = spoil.includes(index) ? { ...authorization, value: 1n } : authorization;
      return { form: "compact", authorization: changed } as const;
    });
    const data = encodeSettle({ token: lab.chain.usdc, batchId: BATCH_ID, gasAllowance: 100_000n, items });
    return { from: lab.account.address, to: lab.router, data, gas };
  }

  describe("preflightBatch", () => {
    it("says which items would fail, beyond the first byte of the bitmap", async () => {
      const preflight = await preflightBatch(lab.client, await call(12, [0, 7, 8, 11]));
      expect(preflight.status).to.equal("answered");
      if (preflight.status !== "answered") return;
      expect(preflight.attempted).to.equal(12);
      expect([...preflight.failed]).to.deep.equal([0, 7, 8, 11]);
    });

    it("says how many items the gas reaches", async () => {
      const preflight = await preflightBatch(lab.client, await call(12, [], 500_000n));
      expect(preflight.status).to.equal("answered");
      if (preflight.status === "answered") expect(preflight.attempted).to.be.within(1, 11);
    });

    it("tells a batch that reverts as a whole", async () => {
      const { data, ...rest } = await call(2, []);
      const cut = data.slice(0, -128) as `0x${string}`;
      expect(await preflightBatch(lab.client, { ...rest, data: cut })).to.deep.equal({ status: "reverted" });
    });

    it("does not treat any contract as a router", async () => {
      const prepared = await call(2, []);
      // Returns one zero word, whoever asks.
      await lab.chain.request("hardhat_setCode", [freshAddress(2), "0x60205ff3"]);
      for (const to of [freshAddress(2), freshAddress(3)]) {
        expect(await preflightBatch(lab.client, { ...prepared, to })).to.deep.equal({ status: "reverted" });
      }
    });

    it("knows nothing where the node does not answer", async () => {
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
        method === "eth_call" ? { error: { code: -32000, message: "request timed out" } } : "pass",
      );
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
      const error = await preflightBatch(client, await call(2, [])).catch((caught: unknown) => caught);
      await node.stop();
      expect(error).to.be.instanceOf(ChainUnavailableError);
    });
  });

  describe("preflightAuthorization", () => {
    const gasAllowance = 200_000n;

    it("has nothing against a good authorization, and uses nothing up", async () => {
      const [payment] = await lab.pay(1, freshAddress(4));
      const { authorization } = payment!;
      for (let i = 0; i < 2; i += 1) {
        expect(await preflightAuthorization(lab.client, authorization, { gasAllowance })).to.equal(undefined);
      }
      expect(await lab.balanceOf(freshAddress(4))).to.equal(0n);
    });

    it("says what the token has against it", async () => {
      const now = await lab.chain.now();
      const to = freshAddress(5);
      const cases = [
        [await lab.chain.sign(lab.keyOf(1), { to, value: 1n, validBefore: now - 10n }), "expired"],
        [await lab.chain.sign(lab.keyOf(1), { to, value: 1n, validAfter: now + 500n }), "not-yet-valid"],
        [await lab.chain.sign(lab.keyOf(15), { to, value: 1n }), "underfunded"],
        [{ ...(await lab.chain.sign(lab.keyOf(1), { to, value: 1n })), value: 2n }, "bad-signature"],
      ] as const;
      for (const [authorization, reason] of cases) {
        const refusal = await preflightAuthorization(lab.client, authorization, { gasAllowance });
        expect(refusal?.reason).to.equal(reason);
      }
    });

    it("tells a payer that burns its gas from one that refuses", async () => {
      const to = freshAddress(6);
      const burner = await lab.payerWithCode(11, BURNING_CODE);
      // Returns nothing: it does not accept the signature.
      const refuser = await lab.payerWithCode(12, "0x00");
      const burning = await lab.chain.sign(burner, { to, value: 1n });
      const refused = await lab.chain.sign(refuser, { to, value: 1n });
      const ask = (authorization: typeof burning) =>
        preflightAuthorization(lab.client, authorization, { gasAllowance, overload: "bytes" });
      expect(await ask(burning)).to.deep.include({
        reason: "gas-capped",
        message: "used up its gas allowance of 200000",
      });
      expect(await ask(refused)).to.deep.include({ reason: "bad-signature" });
    });

    it("knows nothing where the node does not answer", async () => {
      const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
        method === "eth_call" ? { result: "0x1234" } : "pass",
      );
      const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
      const [payment] = await lab.pay(1, freshAddress(7));
      const asked = preflightAuthorization(client, payment!.authorization, { gasAllowance });
      const error = await asked.catch((caught: unknown) => caught);
      await node.stop();
      expect(error).to.be.instanceOf(ChainUnavailableError);
    });
  });
});

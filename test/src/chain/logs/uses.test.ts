import { expect } from "chai";
import { encodeTransfer } from "../../../../src/authorization/encode.ts";
import { authorizationId } from "../../../../src/authorization/identity.ts";
import { connectChain } from "../../../../src/chain/client.ts";
import { ChainUnavailableError } from "../../../../src/chain/errors.ts";
import { findNonceUses } from "../../../../src/chain/logs/uses.ts";
import { sender } from "../../../../src/local/transaction.ts";
import { type ChainLab, freshAddress, openChainLab, startFaultyNode } from "../../../helpers/chainLab.ts";

describe("findNonceUses", () => {
  let lab: ChainLab;
  before(async () => {
    lab = await openChainLab();
  });
  after(() => lab.chain.stop());

  const lookbackBlocks = 10_000n;

  it("tells the exact terms from a variant, and finds nothing for a free nonce", async () => {
    const to = freshAddress(1);
    const key = lab.keyOf(1);
    const settled = await lab.chain.sign(key, { to, value: 10n });
    const variant = await lab.chain.sign(key, { to, value: 20n });
    const used = await lab.chain.sign(key, { to, value: 21n, nonce: variant.nonce });
    const free = await lab.chain.sign(key, { to, value: 30n });
    const report = await lab.chain.settle([settled, used]);
    const [{ outcome } = { outcome: undefined }] = report.results;
    expect(outcome?.status).to.equal("settled");

    const uses = await findNonceUses(lab.client, [settled, variant, free], { lookbackBlocks });
    expect(uses.size).to.equal(2);
    if (outcome?.status === "settled") {
      const { transactionHash, blockNumber, logIndex } = outcome;
      expect(uses.get(authorizationId(settled))).to.deep.equal({
        status: "settled",
        transactionHash,
        blockNumber,
        logIndex,
      });
    }
    expect(uses.get(authorizationId(variant))).to.have.property("status", "used-by-variant");
  });

  it("searches as far back as it is told to", async () => {
    const authorization = await lab.chain.sign(lab.keyOf(1), { to: freshAddress(2), value: 10n });
    await sender(lab.chain.request)({
      from: lab.account.address,
      to: lab.chain.usdc,
      data: encodeTransfer(authorization),
    });
    await lab.chain.request("hardhat_mine", ["0x1388"]);
    expect((await findNonceUses(lab.client, [authorization], { lookbackBlocks: 4_000n })).size).to.equal(0);
    expect((await findNonceUses(lab.client, [authorization], { lookbackBlocks })).size).to.equal(1);
  });

  it("knows nothing if the node refuses to search", async () => {
    const node = await startFaultyNode(lab.chain.rpcUrl, ({ method }) =>
      method === "eth_getLogs" ? { error: { code: -32005, message: "range too large" } } : "pass",
    );
    const client = await connectChain(node.rpcUrl, { transport: { retryCount: 0 } });
    const authorization = await lab.chain.sign(lab.keyOf(1), { to: freshAddress(3), value: 10n });
    const error = await findNonceUses(client, [authorization], { lookbackBlocks }).catch((caught: unknown) => caught);
    await node.stop();
    expect(error).to.be.instanceOf(ChainUnavailableError);
    expect(error).to.have.property("details", "It answered: range too large");
  });
});

import { expect } from "chai";
import { connectChain, withoutSecrets } from "../../../src/chain/client.ts";
import { ChainMismatchError, ChainUnavailableError } from "../../../src/chain/errors.ts";
import { type LocalChain, startLocalChain } from "../../../src/local/index.ts";

const DEAD = "http://127.0.0.1:9/v2/secret-key";

describe("connectChain", () => {
  let chain: LocalChain;
  before(async () => {
    chain = await startLocalChain();
  });
  after(() => chain.stop());

  it("learns the chain from the node", async () => {
    const client = await connectChain(chain.rpcUrl);
    expect(client.chain).to.deep.include({ id: 84532, name: "Base Sepolia" });
  });

  it("takes the next node if the first does not answer", async () => {
    const client = await connectChain([DEAD, chain.rpcUrl], { transport: { retryCount: 0 } });
    expect(client.chain.id).to.equal(84532);
    expect(await client.getBlockNumber()).to.be.a("bigint");
  });

  it("refuses another chain than the one expected, naming both", async () => {
    const error = await connectChain(chain.rpcUrl, { expectedChainId: 8453 }).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(ChainMismatchError);
    expect(error).to.have.property("shortMessage", "The node is on chain 84532, not 8453.");
  });

  it("says which node does not answer, without the key in its URL", async () => {
    const error = await connectChain(DEAD, { transport: { retryCount: 0 } }).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(ChainUnavailableError);
    if (!(error instanceof ChainUnavailableError)) return;
    expect(error.shortMessage).to.equal("No node answers at http://127.0.0.1:9.");
    expect(`${error.message}${error.stack}`).to.not.include("secret-key");
  });
});

describe("withoutSecrets", () => {
  it("leaves scheme, host and port", () => {
    expect(withoutSecrets("https://user:pass@node.example:8443/v2/key?token=1")).to.equal("https://node.example:8443");
    expect(withoutSecrets("nonsense")).to.equal("(no URL)");
  });
});

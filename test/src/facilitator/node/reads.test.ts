import { expect } from "chai";
import { parseAbi } from "viem";
import { createVerificationReads } from "../../../../src/facilitator/node/reads.ts";
import { networks } from "../../../../src/networks.ts";
import { payerOf } from "../../../helpers/facilitator.ts";
import { createFakeNode } from "../../../helpers/fakeNode.ts";

const { address } = networks.baseSepolia.usdc;
const abi = parseAbi(["function poke()"]);

describe("createVerificationReads", () => {
  it("treats a revert as a verdict, but not a node that does not answer", async () => {
    const node = createFakeNode();
    const { signer, failure } = createVerificationReads(node.client, { simulate: true, addresses: () => [] });
    const poke = () =>
      signer.readContract({ address, abi, functionName: "poke" }).then(
        () => "done",
        (error: Error) => error.message,
      );
    expect(await poke()).to.equal("done");
    node.mood = "reverts";
    expect(await poke()).to.equal("the call reverted");
    expect(failure()).to.equal(undefined);
    node.mood = "down";
    expect(await poke()).to.match(/node/);
    expect(failure()).to.have.property("name", "ChainUnavailableError");
  });

  it("notes that a code was not read, without a rejection that nobody handles", async () => {
    const node = createFakeNode();
    const { signer, failure } = createVerificationReads(node.client, { simulate: true, addresses: () => [] });
    expect(await signer.getCode({ address })).to.equal("0xfe");
    node.mood = "down";
    expect(await signer.getCode({ address: payerOf(1).address })).to.equal(undefined);
    expect(failure()).to.have.property("name", "ChainUnavailableError");
  });

  it("does not simulate a transfer unless it is told to, and writes nothing", async () => {
    const node = createFakeNode();
    const { signer } = createVerificationReads(node.client, { simulate: false, addresses: () => [] });
    node.mood = "reverts";
    const transfer = parseAbi(["function transferWithAuthorization()"]);
    expect(await signer.readContract({ address, abi: transfer, functionName: "transferWithAuthorization" })).to.equal(
      undefined,
    );
    expect(() => signer.sendTransaction({ to: address, data: "0x" })).to.throw("verification sends nothing");
  });
});

import { expect } from "chai";
import { domainSeparator } from "viem";
import { judgeChainId, judgeClock } from "../../../src/doctor/chainChecks.ts";
import { judgeRefusal } from "../../../src/doctor/dryRun.ts";
import { judgeBalance } from "../../../src/doctor/signerChecks.ts";
import { judgeDomain } from "../../../src/doctor/tokenChecks.ts";
import { networks } from "../../../src/networks.ts";

const signer = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

describe("judgeChainId", () => {
  it("accepts the network's own chain, and any known one if none was named", () => {
    const found = "84532 (Base Sepolia)";
    expect(judgeChainId(84532, networks.baseSepolia)).to.include({ status: "ok", found });
    expect(judgeChainId(84532, undefined)).to.include({ status: "ok", found });
  });

  it("fails on another chain and says where to point the URL", () => {
    expect(judgeChainId(84532, networks.base)).to.deep.equal({
      name: "chain id",
      status: "fail",
      found: "84532 (Base Sepolia), not 8453",
      fix: "Use a node of Base, chain id 8453.",
    });
  });

  it("warns about an unknown chain", () => {
    expect(judgeChainId(31337, undefined).status).to.equal("warn");
  });
});

describe("judgeClock", () => {
  for (const [ahead, development, status] of [
    [0, false, "ok"],
    [30, false, "ok"],
    [31, false, "warn"],
    [300, false, "warn"],
    [301, false, "fail"],
    [-30, false, "ok"],
    [-31, false, "warn"],
    [-300, false, "warn"],
    [-301, false, "fail"],
    [-100_000, true, "ok"],
    [301, true, "fail"],
  ] as const) {
    it(`says ${status} at ${ahead} s${development ? " on a development chain" : ""}`, () => {
      const check = judgeClock(ahead, development);
      expect(check.status).to.equal(status);
      expect(check.fix === undefined).to.equal(status === "ok");
    });
  }
});

describe("judgeBalance", () => {
  const fee = 10_000_000n;
  const small = 800_000n * fee;
  const largest = 16_777_216n * fee;

  it("fails below a small batch, warns below the largest, at equality", () => {
    expect(judgeBalance(signer, small - 1n, fee).status).to.equal("fail");
    expect(judgeBalance(signer, small, fee).status).to.equal("warn");
    expect(judgeBalance(signer, largest - 1n, fee).status).to.equal("warn");
    expect(judgeBalance(signer, largest, fee).status).to.equal("ok");
  });

  it("says who to send ether to", () => {
    expect(judgeBalance(signer, 0n, fee)).to.deep.equal({
      name: "signer",
      status: "fail",
      found: `${signer} has 0 ETH; a batch of ten takes up to 0.000008`,
      fix: `Send ether to ${signer}.`,
    });
  });
});

describe("judgeDomain", () => {
  const token = networks.base.usdc.address;
  const separatorOf = (name: string, chainId = 8453) =>
    domainSeparator({ domain: { name, version: "2", chainId, verifyingContract: token } });
  const expected = networks.base.usdc;

  it("accepts USD Coin on Base", () => {
    const said = { name: "USD Coin", version: "2" };
    const check = judgeDomain({ chainId: 8453, token, expected, said, separator: separatorOf("USD Coin") });
    expect(check).to.include({ status: "ok", found: '"USD Coin" version "2", separator as computed' });
  });

  it("fails if the name is that of the other network", () => {
    const said = { name: "USDC", version: "2" };
    const check = judgeDomain({ chainId: 8453, token, expected, said, separator: separatorOf("USDC") });
    expect(check).to.include({ status: "fail", found: '"USDC" version "2"' });
    expect(check.fix).to.contain('Expected "USD Coin" version "2"');
  });

  it("fails if the separator is that of another chain", () => {
    const said = { name: "USD Coin", version: "2" };
    const check = judgeDomain({ chainId: 8453, token, expected, said, separator: separatorOf("USD Coin", 84532) });
    expect(check).to.include({ status: "fail", found: '"USD Coin" version "2", but DOMAIN_SEPARATOR is another' });
  });

  it("warns about an unknown token if it agrees with itself", () => {
    const said = { name: "Euro", version: "2" };
    const unknown = { chainId: 8453, token, expected: undefined, said } as const;
    expect(judgeDomain({ ...unknown, separator: separatorOf("Euro") }).status).to.equal("warn");
    expect(judgeDomain({ ...unknown, separator: separatorOf("Dollar") }).status).to.equal("fail");
  });
});

describe("judgeRefusal", () => {
  const refusal = { message: "said so", data: "0x" } as const;

  it("accepts only that the balance is missing", () => {
    expect(judgeRefusal("overload", { ...refusal, reason: "underfunded" }).status).to.equal("ok");
    expect(judgeRefusal("overload", { ...refusal, reason: "gas-capped" }).status).to.equal("fail");
    expect(judgeRefusal("overload", undefined)).to.include({
      status: "fail",
      found: "moved tokens that the payer does not have",
    });
  });

  it("names the domain if the signature was refused", () => {
    const check = judgeRefusal("overload", { ...refusal, reason: "bad-signature" });
    expect(check).to.include({ status: "fail", found: "refused: said so" });
    expect(check.fix).to.contain("EIP-712 domain");
  });
});

import { expect } from "chai";
import { isAddress } from "viem";
import { findNetwork, knownTokenDomain, networkOf, networks, UnknownNetworkError } from "../../src/networks.ts";

describe("networks", () => {
  it("has a checksummed USDC address and names that agree with the chain id everywhere", () => {
    for (const [key, network] of Object.entries(networks)) {
      expect(network.key).to.equal(key);
      expect(network.caip2).to.equal(`eip155:${network.chainId}`);
      expect(isAddress(network.usdc.address, { strict: true }), network.usdc.address).to.equal(true);
      expect(network.usdc.decimals).to.equal(6);
      expect(network.usdc.version).to.equal("2");
    }
  });

  it("calls the token USDC on Base Sepolia and USD Coin on Base", () => {
    expect(networks.baseSepolia.usdc).to.deep.equal({
      address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
      name: "USDC",
      version: "2",
      decimals: 6,
    });
    expect(networks.base.usdc.name).to.equal("USD Coin");
    expect(networks.base.usdc.address).to.equal("0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913");
  });

  it("has every name once", () => {
    const names = Object.values(networks).flatMap((network) => [
      network.caip2,
      String(network.chainId),
      ...new Set([network.v1Name ?? network.key, network.key]),
    ]);
    expect(new Set(names).size).to.equal(names.length);
  });
});

describe("findNetwork", () => {
  for (const name of ["eip155:84532", "84532", "base-sepolia", "baseSepolia"]) {
    it(`finds Base Sepolia as ${name}`, () => {
      expect(findNetwork(name)).to.equal(networks.baseSepolia);
    });
  }

  it("throws for an unknown name and lists the known ones", () => {
    expect(() => findNetwork("solana"))
      .to.throw(UnknownNetworkError, 'Unknown network "solana".')
      .with.property("hint")
      .that.includes("base-sepolia (eip155:84532)");
  });

  it("throws for names that objects inherit, and shortens long ones", () => {
    expect(() => findNetwork("constructor")).to.throw(UnknownNetworkError);
    expect(() => findNetwork("__proto__")).to.throw(UnknownNetworkError);
    expect(() => findNetwork("")).to.throw(UnknownNetworkError);
    expect(() => findNetwork("x".repeat(1e6)))
      .to.throw(UnknownNetworkError)
      .with.property("shortMessage")
      .with.lengthOf.below(100);
  });
});

describe("networkOf", () => {
  it("finds a network by chain id", () => {
    expect(networkOf(8453)).to.equal(networks.base);
  });

  it("is undefined for another chain", () => {
    expect(networkOf(1337)).to.equal(undefined);
  });
});

describe("knownTokenDomain", () => {
  it("knows a network's USDC in any case, and on its own chain only", () => {
    const { address } = networks.base.usdc;
    expect(knownTokenDomain(8453, address)).to.deep.equal({ name: "USD Coin", version: "2" });
    expect(knownTokenDomain(8453, `0x${address.slice(2).toLowerCase()}`)).to.deep.equal({
      name: "USD Coin",
      version: "2",
    });
    expect(knownTokenDomain(84532, address)).to.equal(undefined);
  });
});

import { expect } from "chai";
import { artifacts, network } from "hardhat";
import { domainSeparator, encodeFunctionData, type Hex, padHex, size } from "viem";
import { authorizationArgs, fundedAccount, makeAuthorization, signTransfer, usdcDomain } from "../../helpers/usdc.ts";

/** USDC on Base Sepolia. */
const CANONICAL = "0x036CbD53842c5426634e7929541eC2318f3dCF7e";
const IMPLEMENTATION = "0xc0de00000000000000000000000000000000c0de";
const IMPLEMENTATION_SLOT = "0x360894a13ba1a3210667c828492db98dca3e2076cc3735a920a3ca505d382bbc";

const minter = fundedAccount(0).address;
const payer = fundedAccount(10);
const payee = fundedAccount(11).address;
const token = await artifacts.readArtifact("MockUSDC");
const proxy = await artifacts.readArtifact("FiatProxy");

type Connection = Awaited<ReturnType<typeof baseSepolia>>;

/** A fresh chain that calls itself Base Sepolia. */
async function baseSepolia() {
  return network.create({ network: "default", override: { chainId: 84532 } });
}

async function placeDirectly({ networkHelpers }: Connection) {
  await networkHelpers.setCode(CANONICAL, token.deployedBytecode as Hex);
}

async function placeBehindProxy({ networkHelpers }: Connection) {
  await networkHelpers.setCode(IMPLEMENTATION, token.deployedBytecode as Hex);
  await networkHelpers.setCode(CANONICAL, proxy.deployedBytecode as Hex);
  await networkHelpers.setStorageAt(CANONICAL, IMPLEMENTATION_SLOT, padHex(IMPLEMENTATION, { size: 32 }));
}

for (const [how, place] of [
  ["directly", placeDirectly],
  ["behind FiatProxy", placeBehindProxy],
] as const) {
  describe(`MockUSDC: runtime code placed at the canonical address, ${how}`, () => {
    it("initializes, mints and settles under the domain of USDC on Base Sepolia", async () => {
      const connection = await baseSepolia();
      await place(connection);
      const usdc = await connection.viem.getContractAt("MockUSDC", CANONICAL);
      await usdc.write.initialize(["USDC", "USDC", "USD", 6, minter, minter, minter, minter]);
      await usdc.write.configureMinter([minter, 1_000n]);
      await usdc.write.mint([payer.address, 1_000n]);
      const authorization = makeAuthorization(
        { chainId: 84532, usdc: { address: CANONICAL } },
        { from: payer.address, to: payee, value: 1_000n },
      );
      const { signature } = await signTransfer(payer, authorization);

      await usdc.write.transferWithAuthorization([...authorizationArgs(authorization), signature]);

      expect(await usdc.read.balanceOf([payee])).to.equal(1_000n);
      const separator = await usdc.read.DOMAIN_SEPARATOR();
      expect(separator).to.equal(domainSeparator({ domain: usdcDomain(authorization) }));
      // The separator of the deployed token on Base Sepolia.
      expect(separator).to.equal("0x71f17a3b2ff373b803d70a5a07c046c1a2bc8e89c09ef722fcb047abe94c9818");
    });
  });
}

describe("MockUSDC: runtime code", () => {
  it("fits a contract and refers to no library", () => {
    expect(size(token.deployedBytecode as Hex)).to.be.at.most(24_576);
    expect(token.deployedLinkReferences).to.deep.equal({});
    expect(token.immutableReferences ?? {}).to.deep.equal({});
    expect(proxy.immutableReferences ?? {}).to.deep.equal({});
  });

  it("rejects ether, as does the proxy", async () => {
    const connection = await baseSepolia();
    await placeBehindProxy(connection);
    const { viem } = connection;
    const [wallet] = await viem.getWalletClients();
    const usdc = await viem.getContractAt("MockUSDC", CANONICAL);
    const data = encodeFunctionData({ abi: usdc.abi, functionName: "approve", args: [payee, 1n] });
    for (const to of [CANONICAL, IMPLEMENTATION] as const) {
      for (const input of ["0x", data] as const) {
        const send = wallet?.sendTransaction({ to, data: input, value: 1n });
        await viem.assertions.revert(send ?? Promise.reject(new Error("no account")));
      }
    }
    expect(await (await viem.getPublicClient()).getBalance({ address: CANONICAL })).to.equal(0n);
  });
});

import { expect } from "chai";
import { network } from "hardhat";
import { deployUsdc, fundedAccount } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const admin = fundedAccount(5).address;
const stranger = fundedAccount(10).address;

async function fixture() {
  const deployed = await deployUsdc(viem);
  return { ...deployed, next: await viem.deployContract("MockUSDC") };
}

describe("FiatProxy: upgradeTo", () => {
  it("replaces the implementation, keeps the state and emits Upgraded", async () => {
    const { usdc, proxy, implementation, next, mint } = await networkHelpers.loadFixture(fixture);
    await mint(stranger, 3n);
    expect((await proxy.read.implementation()).toLowerCase()).to.equal(implementation.address.toLowerCase());
    await viem.assertions.emit(proxy.write.upgradeTo([next.address], { account: admin }), proxy, "Upgraded");
    expect((await proxy.read.implementation()).toLowerCase()).to.equal(next.address.toLowerCase());
    expect(await usdc.read.balanceOf([stranger])).to.equal(3n);
  });

  it("reverts for an address without code", async () => {
    const { proxy } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(
      proxy.write.upgradeTo([stranger], { account: admin }),
      "Cannot set a proxy implementation to a non-contract address",
    );
  });

  it("is an unknown function of the token for everybody except the admin", async () => {
    const { proxy, implementation, next } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revert(proxy.write.upgradeTo([next.address], { account: stranger }));
    expect((await proxy.read.implementation()).toLowerCase()).to.equal(implementation.address.toLowerCase());
  });
});

describe("FiatProxy: constructor", () => {
  it("reverts for an implementation without code", async () => {
    const deployed = viem.deployContract("FiatProxy", [stranger, admin]);
    await viem.assertions.revertWith(
      deployed.then(() => "0x" as const),
      "Cannot set a proxy implementation to a non-contract address",
    );
  });
});

describe("FiatProxy: fallback", () => {
  it("refuses the admin and names it", async () => {
    const { usdc, proxy } = await networkHelpers.loadFixture(fixture);
    expect(await proxy.read.admin()).to.equal(admin);
    await viem.assertions.revertWith(
      usdc.write.transfer([stranger, 0n], { account: admin }),
      "Cannot call fallback function from the proxy admin",
    );
  });

  it("shadows no function of the token", async () => {
    const { usdc, proxy } = await networkHelpers.loadFixture(fixture);
    const own = new Set(proxy.abi.flatMap((item) => (item.type === "function" ? [item.name as string] : [])));
    expect(usdc.abi.filter((item) => item.type === "function" && own.has(item.name))).to.deep.equal([]);
  });
});

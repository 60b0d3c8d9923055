import { expect } from "chai";
import { network } from "hardhat";
import { zeroAddress } from "viem";
import { deployUsdc, fundedAccount } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const minter = fundedAccount(0).address;
const masterMinter = fundedAccount(2).address;
const payee = fundedAccount(10).address;
const stranger = fundedAccount(11).address;

async function fixture() {
  const deployed = await deployUsdc(viem);
  const { write } = deployed.usdc;
  await write.configureMinter([minter, 1_000n], { account: masterMinter });
  return {
    ...deployed,
    configure: (account: `0x${string}`, amount: bigint) =>
      write.configureMinter([account, amount], { account: masterMinter }),
  };
}

describe("MockUSDC: mint", () => {
  it("creates units from the minter's allowance and emits Mint and Transfer", async () => {
    const { usdc, mint } = await networkHelpers.loadFixture(fixture);
    const hash = mint(payee, 1_000n);
    await viem.assertions.emitWithArgs(hash, usdc, "Mint", [minter, payee, 1_000n]);
    await viem.assertions.emitWithArgs(hash, usdc, "Transfer", [zeroAddress, payee, 1_000n]);
    expect(await usdc.read.balanceOf([payee])).to.equal(1_000n);
    expect(await usdc.read.totalSupply()).to.equal(1_000n);
    expect(await usdc.read.minterAllowance([minter])).to.equal(0n);
    expect(await usdc.read.isMinter([minter])).to.equal(true);
  });

  it("reverts one unit above the allowance", async () => {
    const { mint } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(mint(payee, 1_001n), "FiatToken: mint amount exceeds minterAllowance");
  });

  it("reverts for zero units and for the zero address", async () => {
    const { mint } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(mint(payee, 0n), "FiatToken: mint amount not greater than 0");
    await viem.assertions.revertWith(mint(zeroAddress, 0n), "FiatToken: mint to the zero address");
  });

  it("reverts when the caller is not a minter, blocklisted or not", async () => {
    const { usdc, blacklist } = await networkHelpers.loadFixture(fixture);
    await blacklist(stranger);
    await viem.assertions.revertWith(
      usdc.write.mint([payee, 1n], { account: stranger }),
      "FiatToken: caller is not a minter",
    );
  });

  for (const [who, account] of [
    ["minter", minter],
    ["payee", payee],
  ] as const) {
    it(`reverts when the ${who} is blocklisted`, async () => {
      const { mint, blacklist } = await networkHelpers.loadFixture(fixture);
      await blacklist(account);
      await viem.assertions.revertWith(mint(payee, 1n), "Blacklistable: account is blacklisted");
    });
  }

  it("reverts when paused", async () => {
    const { mint, pause } = await networkHelpers.loadFixture(fixture);
    await pause();
    await viem.assertions.revertWith(mint(payee, 1n), "Pausable: paused");
  });

  it("keeps balances below 2^255 and the supply below 2^256, in transfers too", async () => {
    const { usdc, mint, configure } = await networkHelpers.loadFixture(fixture);
    const largest = 2n ** 255n - 1n;
    await configure(minter, 2n ** 256n - 1n);
    await viem.assertions.revertWith(mint(payee, largest + 1n), "FiatTokenV2_2: Balance exceeds (2^255 - 1)");
    await mint(payee, largest);
    await configure(minter, 2n ** 256n - 1n);
    await mint(stranger, largest);
    await viem.assertions.revertWith(
      usdc.write.transfer([payee, 1n], { account: stranger }),
      "FiatTokenV2_2: Balance exceeds (2^255 - 1)",
    );
    await viem.assertions.revertWith(mint(minter, 2n), "SafeMath: addition overflow");
    await mint(minter, 1n);
    expect(await usdc.read.totalSupply()).to.equal(2n ** 256n - 1n);
  });
});

describe("MockUSDC: burn", () => {
  async function withUnits() {
    const deployed = await networkHelpers.loadFixture(fixture);
    await deployed.mint(minter, 300n);
    return deployed;
  }

  it("destroys the minter's own units and emits Burn and Transfer; its allowance stays", async () => {
    const { usdc } = await withUnits();
    const hash = usdc.write.burn([300n]);
    await viem.assertions.emitWithArgs(hash, usdc, "Burn", [minter, 300n]);
    await viem.assertions.emitWithArgs(hash, usdc, "Transfer", [minter, zeroAddress, 300n]);
    expect(await usdc.read.totalSupply()).to.equal(0n);
    expect(await usdc.read.balanceOf([minter])).to.equal(0n);
    expect(await usdc.read.minterAllowance([minter])).to.equal(700n);
  });

  it("reverts for zero units, and for one unit above the balance", async () => {
    const { usdc } = await withUnits();
    await viem.assertions.revertWith(usdc.write.burn([0n]), "FiatToken: burn amount not greater than 0");
    await viem.assertions.revertWith(usdc.write.burn([301n]), "FiatToken: burn amount exceeds balance");
  });

  it("reverts when the caller is not a minter", async () => {
    const { usdc } = await withUnits();
    await viem.assertions.revertWith(usdc.write.burn([1n], { account: stranger }), "FiatToken: caller is not a minter");
  });

  it("reverts when the minter is blocklisted, and when paused", async () => {
    const { usdc, blacklist, pause } = await withUnits();
    await blacklist(minter);
    await viem.assertions.revertWith(usdc.write.burn([1n]), "Blacklistable: account is blacklisted");
    await pause();
    await viem.assertions.revertWith(usdc.write.burn([1n]), "Pausable: paused");
  });
});

describe("MockUSDC: configureMinter", () => {
  it("makes a minter and sets what it may mint", async () => {
    const { usdc, configure } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.emitWithArgs(configure(stranger, 7n), usdc, "MinterConfigured", [stranger, 7n]);
    expect(await usdc.read.isMinter([stranger])).to.equal(true);
    await configure(stranger, 5n);
    expect(await usdc.read.minterAllowance([stranger])).to.equal(5n);
  });

  it("reverts when somebody else calls, and when paused", async () => {
    const { usdc, configure, pause } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(
      usdc.write.configureMinter([stranger, 1n]),
      "FiatToken: caller is not the masterMinter",
    );
    await pause();
    await viem.assertions.revertWith(configure(stranger, 1n), "Pausable: paused");
    await viem.assertions.revertWith(usdc.write.configureMinter([stranger, 1n]), "Pausable: paused");
  });
});

describe("MockUSDC: removeMinter", () => {
  it("takes the right and the allowance away, also while paused", async () => {
    const { usdc, pause } = await networkHelpers.loadFixture(fixture);
    await pause();
    await viem.assertions.emitWithArgs(
      usdc.write.removeMinter([minter], { account: masterMinter }),
      usdc,
      "MinterRemoved",
      [minter],
    );
    expect(await usdc.read.isMinter([minter])).to.equal(false);
    expect(await usdc.read.minterAllowance([minter])).to.equal(0n);
  });

  it("reverts when somebody else calls", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(usdc.write.removeMinter([minter]), "FiatToken: caller is not the masterMinter");
  });
});

import { expect } from "chai";
import { network } from "hardhat";
import { zeroAddress } from "viem";
import { deployUsdc, fundedAccount } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const payer = fundedAccount(10).address;
const payee = fundedAccount(11).address;
const spender = fundedAccount(12).address;

async function fixture() {
  const deployed = await deployUsdc(viem);
  await deployed.mint(payer, 1_000n);
  const { write } = deployed.usdc;
  await write.approve([spender, 500n], { account: payer });
  return {
    ...deployed,
    transfer: (value: bigint, to = payee) => write.transfer([to, value], { account: payer }),
    transferFrom: (value: bigint, from = payer, to = payee) =>
      write.transferFrom([from, to, value], { account: spender }),
  };
}

describe("MockUSDC: transfer", () => {
  it("moves units and emits Transfer", async () => {
    const { usdc, transfer } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.emitWithArgs(transfer(1_000n), usdc, "Transfer", [payer, payee, 1_000n]);
    expect(await usdc.read.balanceOf([payer])).to.equal(0n);
    expect(await usdc.read.balanceOf([payee])).to.equal(1_000n);
    expect((await usdc.simulate.transfer([payer, 1n], { account: payee })).result).to.equal(true);
  });

  it("creates nothing in a transfer to oneself", async () => {
    const { usdc, transfer } = await networkHelpers.loadFixture(fixture);
    await transfer(700n, payer);
    expect(await usdc.read.balanceOf([payer])).to.equal(1_000n);
    expect(await usdc.read.totalSupply()).to.equal(1_000n);
  });

  it("reverts one unit above the balance", async () => {
    const { transfer } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(transfer(1_001n), "ERC20: transfer amount exceeds balance");
  });

  it("reverts to the zero address, to the token itself, and from the zero address", async () => {
    const { usdc, transfer } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(transfer(1n, zeroAddress), "ERC20: transfer to the zero address");
    await viem.assertions.revertWith(transfer(1n, usdc.address), "Blacklistable: account is blacklisted");
    await viem.assertions.revertWith(
      usdc.simulate.transfer([payee, 0n], { account: zeroAddress }),
      "ERC20: transfer from the zero address",
    );
  });

  for (const [who, account] of [
    ["caller", payer],
    ["payee", payee],
  ] as const) {
    it(`reverts when the ${who} is blocklisted`, async () => {
      const { transfer, blacklist } = await networkHelpers.loadFixture(fixture);
      await blacklist(account);
      await viem.assertions.revertWith(transfer(1n), "Blacklistable: account is blacklisted");
    });
  }

  it("reverts when paused, before all else", async () => {
    const { transfer, blacklist, pause } = await networkHelpers.loadFixture(fixture);
    await blacklist(payer);
    await pause();
    await viem.assertions.revertWith(transfer(1n), "Pausable: paused");
  });
});

describe("MockUSDC: transferFrom", () => {
  it("moves units out of the allowance, without an Approval event", async () => {
    const { usdc, transferFrom } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.emitWithArgs(transferFrom(200n), usdc, "Transfer", [payer, payee, 200n]);
    expect(await usdc.getEvents.Approval()).to.deep.equal([]);
    expect(await usdc.read.allowance([payer, spender])).to.equal(300n);
    expect(await usdc.read.balanceOf([payee])).to.equal(200n);
  });

  it("spends the largest allowance like any other", async () => {
    const { usdc, transferFrom } = await networkHelpers.loadFixture(fixture);
    const largest = 2n ** 256n - 1n;
    await usdc.write.approve([spender, largest], { account: payer });
    await transferFrom(1n);
    expect(await usdc.read.allowance([payer, spender])).to.equal(largest - 1n);
  });

  it("reverts above the allowance before it looks at the balance", async () => {
    const { transferFrom } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(transferFrom(501n), "ERC20: transfer amount exceeds allowance");
    await viem.assertions.revertWith(transferFrom(5_000n), "ERC20: transfer amount exceeds allowance");
  });

  it("reverts above the balance", async () => {
    const { usdc, transferFrom } = await networkHelpers.loadFixture(fixture);
    await usdc.write.transfer([payee, 900n], { account: payer });
    await viem.assertions.revertWith(transferFrom(101n), "ERC20: transfer amount exceeds balance");
  });

  it("reverts from and to the zero address", async () => {
    const { transferFrom } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(transferFrom(0n, zeroAddress), "ERC20: transfer from the zero address");
    await viem.assertions.revertWith(transferFrom(0n, payer, zeroAddress), "ERC20: transfer to the zero address");
  });

  for (const [who, account] of [
    ["caller", spender],
    ["payer", payer],
    ["payee", payee],
  ] as const) {
    it(`reverts when the ${who} is blocklisted`, async () => {
      const { transferFrom, blacklist } = await networkHelpers.loadFixture(fixture);
      await blacklist(account);
      await viem.assertions.revertWith(transferFrom(1n), "Blacklistable: account is blacklisted");
    });
  }

  it("reverts when paused", async () => {
    const { transferFrom, pause } = await networkHelpers.loadFixture(fixture);
    await pause();
    await viem.assertions.revertWith(transferFrom(1n), "Pausable: paused");
  });
});

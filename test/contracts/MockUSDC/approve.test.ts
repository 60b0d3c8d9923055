import { expect } from "chai";
import { network } from "hardhat";
import { maxUint256, zeroAddress } from "viem";
import { deployUsdc, fundedAccount } from "../../helpers/usdc.ts";

const { viem, networkHelpers } = await network.create();
const holder = fundedAccount(10).address;
const spender = fundedAccount(11).address;

async function fixture() {
  const deployed = await deployUsdc(viem);
  const { write } = deployed.usdc;
  const change = {
    approve: (value: bigint, to = spender) => write.approve([to, value], { account: holder }),
    increaseAllowance: (value: bigint, to = spender) => write.increaseAllowance([to, value], { account: holder }),
    decreaseAllowance: (value: bigint, to = spender) => write.decreaseAllowance([to, value], { account: holder }),
  };
  return { ...deployed, change, allowance: () => deployed.usdc.read.allowance([holder, spender]) };
}

describe("MockUSDC: approve", () => {
  it("sets the allowance and emits Approval", async () => {
    const { usdc, change, allowance } = await networkHelpers.loadFixture(fixture);
    await change.approve(5n);
    await viem.assertions.emitWithArgs(change.approve(9n), usdc, "Approval", [holder, spender, 9n]);
    expect(await allowance()).to.equal(9n);
    expect((await usdc.simulate.approve([spender, 1n], { account: holder })).result).to.equal(true);
  });

  it("reverts from the zero address", async () => {
    const { usdc } = await networkHelpers.loadFixture(fixture);
    await viem.assertions.revertWith(
      usdc.simulate.approve([spender, 1n], { account: zeroAddress }),
      "ERC20: approve from the zero address",
    );
  });
});

describe("MockUSDC: increaseAllowance", () => {
  it("adds, and emits Approval with the new allowance", async () => {
    const { usdc, change, allowance } = await networkHelpers.loadFixture(fixture);
    await change.approve(5n);
    await viem.assertions.emitWithArgs(change.increaseAllowance(4n), usdc, "Approval", [holder, spender, 9n]);
    expect(await allowance()).to.equal(9n);
  });

  it("reaches the largest allowance and reverts one above", async () => {
    const { change, allowance } = await networkHelpers.loadFixture(fixture);
    await change.approve(5n);
    await viem.assertions.revertWith(change.increaseAllowance(maxUint256 - 4n), "SafeMath: addition overflow");
    await change.increaseAllowance(maxUint256 - 5n);
    expect(await allowance()).to.equal(maxUint256);
  });
});

describe("MockUSDC: decreaseAllowance", () => {
  it("subtracts, and emits Approval with the new allowance", async () => {
    const { usdc, change, allowance } = await networkHelpers.loadFixture(fixture);
    await change.approve(5n);
    await viem.assertions.emitWithArgs(change.decreaseAllowance(5n), usdc, "Approval", [holder, spender, 0n]);
    expect(await allowance()).to.equal(0n);
  });

  it("reverts below zero", async () => {
    const { change } = await networkHelpers.loadFixture(fixture);
    await change.approve(5n);
    await viem.assertions.revertWith(change.decreaseAllowance(6n), "ERC20: decreased allowance below zero");
  });
});

for (const name of ["approve", "increaseAllowance", "decreaseAllowance"] as const) {
  describe(`MockUSDC: ${name}, like the other two`, () => {
    it("reverts when the spender is the zero address", async () => {
      const { change } = await networkHelpers.loadFixture(fixture);
      await viem.assertions.revertWith(change[name](0n, zeroAddress), "ERC20: approve to the zero address");
    });

    it("works between blocklisted accounts", async () => {
      const { usdc, change, blacklist } = await networkHelpers.loadFixture(fixture);
      await blacklist(holder);
      await blacklist(spender);
      await viem.assertions.emitWithArgs(change[name](0n), usdc, "Approval", [holder, spender, 0n]);
    });

    it("reverts when paused", async () => {
      const { change, pause } = await networkHelpers.loadFixture(fixture);
      await pause();
      await viem.assertions.revertWith(change[name](0n), "Pausable: paused");
    });
  });
}
